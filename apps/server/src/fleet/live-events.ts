import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { Response } from 'express';
import type { SignedInViewer } from '../auth/current-viewer';
import { PageSessions } from '../auth/page-sessions.service';
import { Database } from '../database/database';

/** Keeps the connection through proxies that close what is silent, and looks whether it still may be open. */
const BREATH_MS = 25_000;
/** Of this server: each is a connection of a browser. */
const MAX_STREAMS = 500;
/** So that one person's do not take all of them. More than the tabs that a browser keeps connected. */
const MAX_OF_PERSON = 30;

interface Stream {
  readonly concerns: (clientNo: number) => boolean;
  readonly response: Response;
  readonly userNo: number;
  /** Of the session that it was opened in. */
  readonly token: string;
}

/** Streams of server-sent events to open pages: `changed` when something that they show may be another one. An event costs no query. */
@Injectable()
export class LiveEvents implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly streams = new Set<Stream>();
  private isStopping = false;
  private breath: NodeJS.Timeout | undefined;
  private stopListening: (() => void)[] = [];

  constructor(
    private readonly database: Database,
    private readonly sessions: PageSessions,
  ) {}

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
    this.breath = setInterval(() => void this.breathe(), BREATH_MS);
    this.breath.unref();
  }

  /** Answers with a stream that ends when the page is left, its session is over, or the server stops. */
  open(response: Response, { person, token }: SignedInViewer, concerns: (clientNo: number) => boolean): void {
    // Left while the gate asked the database: its 'close' has passed, and nothing would take the stream away.
    if (isGone(response)) return;
    const { userNo } = person;
    const ofPerson = [...this.streams].filter((stream) => stream.userNo === userNo).length;
    if (this.isStopping || this.streams.size >= MAX_STREAMS || ofPerson >= MAX_OF_PERSON) {
      // Browsers come back by themselves; until then the page is as it was loaded.
      response.status(503).setHeader('retry-after', 30).end();
      return;
    }
    const stream = { concerns, response, userNo, token };
    this.streams.add(stream);
    const forget = (): void => void this.streams.delete(stream);
    response.once('close', forget);
    // A connection that breaks under a write ends its stream, not the process.
    response.on('error', forget);
    response.setHeader('x-accel-buffering', 'no');
    response.type('text/event-stream');
    response.write('retry: 5000\n\n');
  }

  /** Ends the streams of sessions that are over, and keeps the others open. One query for all; none when there are none. */
  async breathe(): Promise<void> {
    if (this.streams.size === 0) return;
    const open = [...this.streams];
    // A database that is away says nothing of sessions.
    const live = await this.sessions.among(open.map(({ token }) => token)).catch(() => null);
    for (const stream of open) {
      if (isGone(stream.response)) this.streams.delete(stream);
      else if (live === null || live.has(stream.token)) send(stream, ':\n\n');
      else this.end(stream);
    }
  }

  /** Ends all streams, and opens none from now on: the server is to stop. */
  release(): void {
    this.isStopping = true;
    for (const stream of [...this.streams]) this.end(stream);
  }

  onModuleDestroy(): void {
    clearInterval(this.breath);
    for (const stop of this.stopListening) stop();
    this.release();
  }

  private tell(isConcerned: (stream: Stream) => boolean): void {
    for (const stream of this.streams) if (isConcerned(stream)) send(stream, 'event: changed\ndata:\n\n');
  }

  /** Out of the set first: 'close' comes late when the answer waits behind another one of its connection. */
  private end(stream: Stream): void {
    this.streams.delete(stream);
    stream.response.end();
  }
}

function send({ response }: Stream, text: string): void {
  if (!response.writableEnded && !response.destroyed) response.write(text);
}

function isGone(response: Response): boolean {
  return response.closed || response.destroyed;
}
