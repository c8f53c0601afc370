import { type FramedBlock } from '#engine';
import { type ServerApi } from '../server-api/server-api';
import { type NativeCalls } from '../system/native-calls';
import { type Placement } from './placement-spool';

/** What a restore asks of the server. Whatever comes back is untrusted until it was checked here. */
export type RestoreServer = Pick<ServerApi, 'entries' | 'ranks' | 'readChunks' | 'holdSnapshot' | 'gone'>;

/** System calls that Node lacks. Where they cannot be loaded, a restore gets null and says what it could not do. */
export type SystemCalls = Pick<
  NativeCalls,
  | 'listXattrs'
  | 'listXattrsOfFile'
  | 'setXattr'
  | 'removeXattr'
  | 'makeNode'
  | 'setTimes'
  | 'setTimesOfFile'
  | 'renameNew'
  | 'createFile'
  | 'writeFile'
  | 'chmodFile'
  | 'checkWritable'
  | 'closeFile'
  | 'lockFile'
>;

/** Takes what cannot be had of entry `number`; told once or often, it counts once. */
export interface ContentFailures {
  fail(number: number, reason: string): void;
}

/** A chunk that was asked for: which of its block's it is, how long, and where it belongs. */
export interface WantedChunk {
  readonly position: number;
  readonly length: number;
  readonly placements: readonly Placement[];
}

/** Where blocks go as they come. Calls of `take` may overlap. */
export interface BlockSink {
  /**
   * Opens the block, holds its chunks against their ids, and puts those that are wanted to their places. False: the block
   * is not sound, nothing was done with it, and its chunks may be asked for again. May throw at once, too.
   */
  take(block: FramedBlock, chunks: readonly WantedChunk[]): Promise<boolean>;
  fail(number: number, error: unknown): void;
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
