import { DomainError } from '../http/domain-error';
import type { NoticeListener, NoticeTopic } from './notices';
import type { Dialect, Sql } from './sql';

/** Called around COMMIT, for the kill points. */
export interface CommitHooks {
  beforeCommit(): void;
  afterCommit(): void;
}

/** One kind of database behind the door. Implementations: {@link SqliteBackend}, {@link PostgresBackend}. */
export interface Backend {
  readonly dialect: Dialect;
  write<T>(work: (tx: Sql) => Promise<T>, hooks: CommitHooks): Promise<T>;
  read<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  now(): Promise<number>;
  /** Returns what ends it. */
  listen(topic: NoticeTopic, listener: NoticeListener): () => void;
  close(): Promise<void>;
}

/** Throws once its read or write is over, or has taken longer than it may: part of every Sql. */
export class Scope {
  private isOver = false;
  private readonly endsAt: number;

  constructor(private readonly limitMs = Number.POSITIVE_INFINITY) {
    this.endsAt = performance.now() + limitMs;
  }

  end(): void {
    this.isOver = true;
  }

  assertOpen(): void {
    if (this.isOver) throw new Error('a statement came after its read or write was over');
    if (performance.now() > this.endsAt) {
      throw new DomainError(
        'unavailable',
        `The database was at work on this for more than ${Math.round(this.limitMs / 1_000)} s, and it was undone; try again.`,
      );
    }
  }
}
