/** Version of the agent protocol. A server serves this one; an agent of another one is told `upgrade-required`. */
export const PROTOCOL_VERSION = 1;

/** Request header that carries {@link PROTOCOL_VERSION} on every agent call. */
export const PROTOCOL_HEADER = 'x-holdfast-protocol';

/** Request header that carries a run's fencing token (hex) on every call that writes under that run. */
export const RUN_TOKEN_HEADER = 'x-holdfast-run-token';

/** Header of every answer, and of an agent's request: a UUID that finds the request in both logs. */
export const REQUEST_ID_HEADER = 'x-request-id';

/** Content types of binary bodies; everything else is JSON. */
export const KEYS_TYPE = 'application/x-holdfast-keys';
export const BLOCKS_TYPE = 'application/x-holdfast-blocks';
export const RECORDS_TYPE = 'application/x-holdfast-records';
export const RANKS_TYPE = 'application/x-holdfast-ranks';

/** Bounds that both sides keep; the server refuses what is beyond them before it takes memory. */
export const LIMITS = {
  /** A JSON body, where a request carries lists; 16 KiB elsewhere. */
  jsonBytes: 2 * 1024 * 1024,
  /** Chunk keys in one `missing` request. */
  missingKeys: 65_536,
  /** Chunk keys in one `ranks` request. */
  rankKeys: 4_194_304,
  /** Chunk keys, and plain bytes, in one `read` request. */
  readKeys: 16_384,
  readPlainBytes: 64 * 1024 * 1024,
  /** Its answer takes at most the plain bytes of the chunks, and this for each of them. */
  readOverheadBytes: 256,
  /** Bytes of blocks in one pack upload: a pack of 64 MiB less its header and footer. */
  packBodyBytes: 60 * 1024 * 1024,
  /** Chunks in one pack upload, and plain bytes of list chunks among them. */
  packChunks: 65_536,
  packListBytes: 16 * 1024 * 1024,
  /** One batch of changes. */
  batchRecords: 1_000,
  batchBytes: 16 * 1024 * 1024,
  /** Bytes of a link's target; PATH_MAX. With inline attributes it bounds an entry, and so a page of a snapshot. */
  linkTargetBytes: 4_096,
  /** Problems (files not saved, notes) in one request, and kept per run. */
  problemsPerRequest: 1_000,
  problemsPerRun: 10_000,
  /** Bytes of paths and reasons of the problems that are kept per run. */
  problemBytesPerRun: 4 * 1024 * 1024,
  /** Bytes of all roots of a run: they stand in one record of its manifest, and in every list of snapshots. */
  rootBytes: 64 * 1024,
  /** Roots of a run, patterns that it leaves out, and characters of such a pattern. */
  roots: 1_000,
  excludes: 10_000,
  excludeLength: 4_096,
  /** Log lines in one request, and characters of a line; longer ones are cut by the agent. */
  logLines: 500,
  logLineCharacters: 4_000,
  /** Of one command's output, in UTF-8; the newest are kept. */
  outputBytes: 64 * 1024,
} as const;
