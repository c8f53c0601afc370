import { closeSync, fstatSync } from 'node:fs';
import { type Entry } from '#engine';
import { type EntrySpool, type PlannedEntry } from './entry-spool';
import { type Metadata } from './metadata';
import { type Node, NodeState } from './node-table';
import { writeFully } from './spool-file';
import { type TemporaryFiles } from './temporary-files';

/** A file that one chunk makes whole: it is not created before the chunk is there. */
export function isOneChunk(entry: Entry): boolean {
  const { kind, content, size } = entry;
  if (kind !== 'file' || content === null || entry.isSparse === true || entry.xattrContent !== undefined) return false;
  return content.height === 0 && content.size === size;
}

/**
 * Makes files whose bytes are all at hand: created under the temporary name, written, given their metadata and put in
 * their place with one handle, which saves most system calls of a small file. What fails on the way leaves nothing.
 */
export class WholeFiles {
  constructor(
    private readonly spool: EntrySpool,
    private readonly files: TemporaryFiles,
    private readonly metadata: Metadata,
  ) {}

  /** `entry` is a file in state `planned`, and `bytes` all that it holds. It is `done` afterwards, or this throws. */
  make(planned: PlannedEntry, bytes: Uint8Array, xattrContent: Buffer | null): void {
    const { number, path, entry } = planned;
    const { fd, location } = this.files.createOpen(path, number);
    let identity = {};
    try {
      try {
        // Only hard links ask later which file it is.
        if (entry.hardLinkGroup !== undefined) identity = identityOf(fd);
        writeFully(fd, bytes, bytes.length, 0);
        this.metadata.apply({ fd, isOpenFile: true, location, entry, xattrContent });
      } finally {
        closeSync(fd);
      }
      this.files.place(path, number);
    } catch (error) {
      this.files.discard(path, number);
      throw error;
    }
    this.spool.nodes.update(number, { state: NodeState.done, remainingBytes: 0, ...identity });
  }
}

function identityOf(fd: number): Pick<Node, 'device' | 'inode'> {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return { device: dev, inode: ino };
}
