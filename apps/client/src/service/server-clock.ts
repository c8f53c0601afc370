import { Injectable } from '@nestjs/common';

/** A difference worth a line in the log. */
const WORTH_SAYING_MS = 5_000;

/** The server's time, by which everything is scheduled: this machine's clock may be wrong. */
@Injectable()
export class ServerClock {
  private aheadMs = 0;
  private isLearnt = false;

  /** ms since 1970. */
  now(): number {
    return Date.now() - this.aheadMs;
  }

  /** False until the server told its time to this process: it is this machine's till then. */
  get isKnown(): boolean {
    return this.isLearnt;
  }

  /** How far this machine's clock is ahead of the server's; negative: behind. */
  get clockAheadMs(): number {
    return this.aheadMs;
  }

  /** Of an answer that says what the server's time was, between `sentMs` and `receivedMs` here. True: it changed notably. */
  learn(serverTimeMs: number, { sentMs, receivedMs }: { sentMs: number; receivedMs: number }): boolean {
    this.isLearnt = true;
    const aheadMs = Math.round((sentMs + receivedMs) / 2) - serverTimeMs;
    const isNotable = Math.abs(aheadMs - this.aheadMs) >= WORTH_SAYING_MS;
    // The way takes time: a difference that is smaller than that is none.
    this.aheadMs = Math.abs(aheadMs) <= receivedMs - sentMs ? 0 : aheadMs;
    return isNotable;
  }
}
