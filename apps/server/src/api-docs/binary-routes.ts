import { BLOCKS_TYPE, KEYS_TYPE, RANKS_TYPE, RECORDS_TYPE } from '#common';

export interface BinaryRoute {
  /** Content type of the body; missing: none, or JSON. */
  readonly body?: string;
  /** Content type of the answer; missing: none, or JSON. */
  readonly answer?: string;
  /** What it reads of the address by itself. */
  readonly query?: Readonly<Record<string, string>>;
}

const PATH = { path: "base64url of the path's bytes, without padding; left out: the root" };

/** Routes whose bodies are no JSON: their handlers take and give the bytes themselves, so nothing else says it. */
export const BINARY_ROUTES: Readonly<Record<string, BinaryRoute>> = {
  'POST /api/runs/{runId}/chunks/missing': { body: KEYS_TYPE, answer: KEYS_TYPE },
  'POST /api/runs/{runId}/packs': { body: BLOCKS_TYPE },
  'PUT /api/runs/{runId}/batches/{sequence}': { body: RECORDS_TYPE },
  'POST /api/clients/me/chunks/ranks': { body: KEYS_TYPE, answer: RANKS_TYPE },
  'POST /api/clients/me/chunks/read': { body: KEYS_TYPE, answer: BLOCKS_TYPE },
  'GET /api/snapshots/{runId}/entries': { answer: RECORDS_TYPE, query: PATH },
  'GET /api/snapshots/{runId}/listing': { answer: RECORDS_TYPE, query: PATH },
  'GET /api/tasks/{taskId}/index': { answer: RECORDS_TYPE },
  'GET /api/tasks/{taskId}/versions': { answer: RECORDS_TYPE },
  'GET /api/clients/{clientId}/download/{version}': { answer: 'application/octet-stream' },
  'GET /metrics': { answer: 'text/plain' },
  'GET /api/docs': { answer: 'text/html' },
};
