import { type Readable, type Writable } from 'node:stream';
import { type HttpServerApiOptions } from '../server-api/http-server-api';
import { type ServerApi } from '../server-api/server-api';

/** What the command line touches besides files: the process's own things in main, others in tests. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable & { isTTY?: boolean; setRawMode?: (mode: boolean) => unknown };
  readonly stdout: Writable;
  readonly stderr: Writable & { isTTY?: boolean };
  /** Absolute, as decodeArgument gives it. */
  readonly workingDirectory: string;
  readonly hostName: string;
  connect(options: HttpServerApiOptions): ServerApi;
  /** Aborted by SIGINT, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
}
