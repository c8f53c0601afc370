import { constants, openSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { nativeCalls } from '../system/native-calls';
import { type BlockResult } from './block-job';
import { BlockWriter, type Writers, writersInto } from './block-writer';
import { DirectoryTree } from './directory-tree';
import { type Owner } from './metadata';
import { type ConflictPolicy } from './ports';

/** What a thread needs to write into a target. Plain data. */
export interface ThreadSetup {
  /** Handle of this process on the target, which stays the caller's. */
  readonly targetFd: number;
  /** Of temporary names: whoever began a file may be another thread. */
  readonly prefix: string;
  readonly policy: ConflictPolicy;
  /** See isToReplace. */
  readonly redoes: boolean;
  readonly owner: Owner;
}

/** A job, or null: close all files. Each is answered with a BlockResult, in order. */
export type ThreadMessage = { readonly block: ArrayBuffer; readonly rows: ArrayBuffer } | null;

const given = workerData as ThreadSetup | null;
const writer = new BlockWriter(given === null ? null : writersOf(given));

parentPort?.on('message', (message: ThreadMessage) => {
  parentPort?.postMessage(message === null ? writer.close() : run(message));
});

function run({ block, rows }: Exclude<ThreadMessage, null>): BlockResult {
  const result = writer.run({ block: Buffer.from(block), rows: Buffer.from(rows) });
  // Given back now: a collection, which this thread has little reason for, may be a hundred blocks away.
  block.transfer(0);
  return result;
}

function writersOf({ targetFd, ...setup }: ThreadSetup): Writers {
  // A handle of its own: threads share the process's, and the tree closes it.
  const ownFd = openSync(`/proc/self/fd/${targetFd}`, constants.O_RDONLY | constants.O_DIRECTORY);
  return writersInto({ ...setup, tree: new DirectoryTree(ownFd), system: nativeCalls() });
}
