import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Database } from '../database/database';

/** Waits for news of one client. Opened before the state is looked at, so that nothing falls between. */
export interface CommandPoll {
  /** True when there is news, false when the time was up, the caller left, or the server stops. */
  woken(limit: { waitMs: number; signal: AbortSignal }): Promise<boolean>;
  close(): void;
}

/** Agents that wait for commands here. A waiting one costs a timer and no query. */
@Injectable()
export class CommandPolls implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly waiting = new Map<number, Set<(isNews: boolean) => void>>();
  private isStopping = false;
  private stopListening = (): void => undefined;

  constructor(private readonly database: Database) {}

  onApplicationBootstrap(): void {
    this.stopListening = this.database.listen('commands', {
      onNotice: (message) => {
        this.wake(Number.parseInt(message, 10));
      },
      onGap: () => {
        for (const clientNo of this.waiting.keys()) this.wake(clientNo);
      },
    });
  }

  open(clientNo: number): CommandPoll {
    let resolve: (isNews: boolean) => void = () => undefined;
    const news = new Promise<boolean>((settle) => {
      resolve = settle;
    });
    const wakers = this.waiting.get(clientNo) ?? new Set();
    this.waiting.set(clientNo, wakers.add(resolve));
    return {
      woken: ({ waitMs, signal }) => {
        const giveUp = (): void => {
          resolve(false);
        };
        if (this.isStopping || signal.aborted) giveUp();
        signal.addEventListener('abort', giveUp, { once: true });
        const timer = setTimeout(giveUp, waitMs);
        return news.finally(() => {
          clearTimeout(timer);
          signal.removeEventListener('abort', giveUp);
        });
      },
      close: () => {
        wakers.delete(resolve);
        if (wakers.size === 0 && this.waiting.get(clientNo) === wakers) this.waiting.delete(clientNo);
      },
    };
  }

  /** Answers everybody who waits, and lets nobody wait from now on: the server is to stop. */
  release(): void {
    this.isStopping = true;
    for (const wakers of this.waiting.values()) for (const wake of wakers) wake(false);
  }

  onModuleDestroy(): void {
    this.stopListening();
    this.release();
  }

  private wake(clientNo: number): void {
    for (const wake of this.waiting.get(clientNo) ?? []) wake(true);
  }
}
