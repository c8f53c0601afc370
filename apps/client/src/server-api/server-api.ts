import type {
  AbortRequest,
  BatchAnswer,
  ClientAnswer,
  CommitAnswer,
  CommitRequest,
  EnrolRequest,
  GoneAnswer,
  HistoryAnswer,
  LoginAnswer,
  PackAnswer,
  RegisterClientAnswer,
  RegisterClientRequest,
  RunAnswer,
  RunProblemItem,
  RunProblemsAnswer,
  RunsAnswer,
  SnapshotsAnswer,
  StartRunAnswer,
  StartRunRequest,
  TaskAnswer,
  Verifier,
} from '#common';
import type { ChunkKey } from '#engine';

/** The fields of a request: the classes of it and of what it holds are only for the server, which validates with them. */
export type Body<T> = T extends readonly (infer Item)[]
  ? readonly Body<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: Body<T[K]> }
    : T;

/** What every call that writes under a run carries: the run, and the token that fences out an older writer. */
export interface RunToken {
  readonly runId: string;
  /** 64 hex digits. */
  readonly token: string;
}

/**
 * The server as the agent sees it; HttpServerApi speaks to a real one. Every call may be repeated: the server answers
 * a repeated one as it answered the first. Calls that answer once are retried with back-off while the server is away
 * (connection refused or lost, 502, 503, 504, 429) up to a bound; login, registerClient and enrolClient are tried once. Streamed
 * answers fail with what broke them: who reads one starts it again.
 * Refusals throw ServerProblem (with a stable code), a server out of reach ServerUnreachableError.
 */
export interface ServerApi {
  /** `unauthenticated` when name or password is wrong. */
  login(username: string, password: string): Promise<LoginAnswer>;
  /** With a person's access token. `name-taken` when the owner has a client of this name. */
  registerClient(accessToken: string, request: Body<RegisterClientRequest>): Promise<RegisterClientAnswer>;
  /** With an enrolment code and nothing else. `unauthenticated` when it is wrong, used or expired. */
  enrolClient(request: Body<EnrolRequest>): Promise<RegisterClientAnswer>;
  me(): Promise<ClientAnswer>;
  /** Finds the client's task of this name, or creates it. */
  openTask(name: string): Promise<TaskAnswer>;
  /** Waits while the task's last run is being undone. `run-active` when another run of the task is active. */
  startRun(taskId: string, request: Body<StartRunRequest>): Promise<StartRunAnswer>;
  run(runId: string): Promise<RunAnswer>;
  /** Those of the keys that must be uploaded, and damaged chunks below them. At most LIMITS.missingKeys keys. */
  missing(run: RunToken, keys: readonly ChunkKey[]): Promise<ChunkKey[]>;
  /** Whole blocks, together at most LIMITS.packBodyBytes. What the answer acknowledges is durable. */
  uploadPack(run: RunToken, blocks: readonly Buffer[], signal: AbortSignal): Promise<PackAnswer>;
  /** One record stream of type `changes`. `missing-chunks`: nothing was applied; missingKeysOf(problem) names them. */
  sendBatch(run: RunToken, sequence: number, records: Buffer): Promise<BatchAnswer>;
  /** At most LIMITS.problemsPerRequest items. */
  sendProblems(run: RunToken, items: readonly Body<RunProblemItem>[]): Promise<void>;
  commit(run: RunToken, request: Body<CommitRequest>): Promise<CommitAnswer>;
  abort(run: RunToken, request: Body<AbortRequest>): Promise<void>;
  /** The index stream of the task's head. */
  taskIndex(taskId: string): AsyncIterable<Buffer>;
  snapshots(): Promise<SnapshotsAnswer>;
  /** Record stream of type `entries`: everything at and below `path`, in walk order. */
  entries(runId: string, path: Buffer): AsyncIterable<Buffer>;
  /** Record stream of type `entries`: what stands directly in the directory `path`. */
  listing(runId: string, path: Buffer): AsyncIterable<Buffer>;
  /** Holds the snapshot against retention for some hours; to be repeated while it is read. */
  holdSnapshot(runId: string): Promise<void>;
  /** A page of the paths that retention took from a snapshot; `after`: `next` of the page before, 0 for the first. */
  gone(runId: string, after: number): Promise<GoneAnswer>;
  history(path: Buffer): Promise<HistoryAnswer>;
  /** Record stream of type `versions`: what all snapshots of the task hold, in walk order, oldest first within a path. */
  versions(taskId: string): AsyncIterable<Buffer>;
  /** A page of the client's runs, newest first; `before`: `next` of the page before. */
  listRuns(before: string | null): Promise<RunsAnswer>;
  /** A page of what a run told about paths; `after`: `next` of the page before. */
  listProblems(runId: string, after: number | null): Promise<RunProblemsAnswer>;
  /**
   * Storage order of chunks: one number per key, in the order of the keys; 0xffffffff: not available. `keys` gives the
   * encodeKeys form in pieces of any length (together at most LIMITS.rankKeys keys); it is called again for a retry. The
   * numbers' memory is the caller's, who may free it.
   */
  ranks(keys: () => AsyncIterable<Buffer>): Promise<Uint32Array>;
  /**
   * Concatenated blocks (readBlocks frames them) that hold the chunks asked for; those that cannot be served are absent. The
   * pieces' memory is the caller's, who may free it. With `asker` as verifier blocks may be bad; those that are, are to be asked for
   * once more with `server`.
   */
  readChunks(keys: readonly ChunkKey[], verifier: Verifier): AsyncIterable<Buffer>;
  /** Ends connections and pending waits; calls after it fail. */
  close(): Promise<void>;
}
