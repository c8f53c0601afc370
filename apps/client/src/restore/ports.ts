import { type ServerApi } from '../server-api/server-api';
import { type NativeCalls } from '../system/native-calls';
import { type Placement } from './placement-spool';

/** What a restore asks of the server. Whatever comes back is untrusted until it was checked here. */
export type RestoreServer = Pick<ServerApi, 'entries' | 'ranks' | 'readChunks'>;

/** System calls that Node lacks. Where they cannot be loaded, a restore gets null and says what it could not do. */
export type SystemCalls = Pick<
  NativeCalls,
  'listXattrs' | 'setXattr' | 'removeXattr' | 'makeNode' | 'setTimes' | 'setTimesOfFile' | 'renameNew'
>;

/** Takes what cannot be had of entry `number`; told once or often, it counts once. */
export interface ContentFailures {
  fail(number: number, reason: string): void;
}

/** Where chunks go once they were verified. `write` returns the content bytes that it took. */
export interface ContentWriter {
  write(placement: Placement, bytes: Buffer): number;
  fail(number: number, error: unknown): void;
  close(): void;
}

/** What happens to what stands in the target already. */
export type ConflictPolicy = 'refuse' | 'overwrite' | 'skip';

export interface RestoreProgress {
  phase: 'listing' | 'creating' | 'contents' | 'finishing';
  files: number;
  filesTotal: number;
  bytes: number;
  bytesTotal: number;
}
