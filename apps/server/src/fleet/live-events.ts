import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Response } from 'express';
import { Database } from '../database/database';

/** Keeps the connection through proxies that close what is silent. */
const BREATH_MS = 25_000;
/** Of this server: each is a connection of a browser. */
const MAX_STREAMS = 500;

interface Stream {
  readonly concerns: (clientNo: number) => boolean;
  readonly response: Response;
}

/** Streams of server-sent events to open pages: `changed` when something that they show may be another one. Costs no query. */
@Injectable()
export class LiveEvents implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly streams = new Set<Stream>();
  private isStopping = false;
  private breath: NodeJS.Timeout | undefined;
  private stopListening: (() => void)[] = [];

  constructor(private readonly database: Database) {}

  onApplicationBootstrap(): void {
    for (const topic of ['commands', 'progress'] as const) {
      this.stopListening.push(
        this.database.listen(topic, {
          onNotice: (message) => {
            const clientNo = Number.parseInt(message, 10);
            this.tell((stream) => stream.concerns(clientNo));
          },
          onGap: () => {
            this.tell(() => true);
          },
        }),
      );
    }
    this.breath = setInterval(() => {
      for (const { response } of this.streams) response.write(':\n\n');
    }, BREATH_MS);
    this.breath.unref();
  }

  /** Answers with a stream that ends when the page is left, or the server stops. */
  open(response: Response, concerns: (clientNo: number) => boolean): void {
    if (this.isStopping || this.streams.size >= MAX_STREAMS) {
      // Browsers come back by themselves; until then the page is as it was loaded.
      response.status(503).setHeader('retry-after', 30).end();
      return;
    }
    const stream = { concerns, response };
    this.streams.add(stream);
    response.once('close', () => this.streams.delete(stream));
    response.setHeader('x-accel-buffering', 'no');
    response.type('text/event-stream');
    response.write('retry: 5000\n\n');
  }

  /** Ends all streams, and opens none from now on: the server is to stop. */
  release(): void {
    this.isStopping = true;
    for (const { response } of this.streams) response.end();
  }

  onModuleDestroy(): void {
    clearInterval(this.breath);
    for (const stop of this.stopListening) stop();
    this.release();
  }

  private tell(isConcerned: (stream: Stream) => boolean): void {
    for (const stream of this.streams) if (isConcerned(stream)) stream.response.write('event: changed\ndata:\n\n');
  }
}
