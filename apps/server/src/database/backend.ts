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

/** Throws once its read or write is over: part of every Sql. */
export class Scope {
  private isOver = false;

  end(): void {
    this.isOver = true;
  }

  assertOpen(): void {
    if (this.isOver) throw new Error('a statement came after its read or write was over');
  }
}
