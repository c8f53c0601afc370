import { closeSync, constants } from 'node:fs';
import { type EntrySpool, type PlannedEntry } from './entry-spool';
import { type FileFailures } from './file-failures';
import { type Node, NodeState } from './node-table';
import { type Placement } from './placement-spool';
import { type SpoolFile, writeFully } from './spool-file';
import { type TemporaryFiles } from './temporary-files';
import { isOneChunk, type WholeFiles } from './whole-files';

const MAX_OPEN_FILES = 128;
const HOLE_BYTES = 4_096;
const ZEROS = Buffer.alloc(HOLE_BYTES);

interface OpenFile {
  fd: number;
  node: Node;
  isSparse: boolean;
}

/** Writes chunks to their places, with the files written last held open. */
export class FileWriter {
  private readonly opened = new Map<number, OpenFile>();

  constructor(
    private readonly spool: EntrySpool,
    private readonly files: TemporaryFiles,
    private readonly failures: FileFailures,
    private readonly whole: WholeFiles,
    private readonly xattrs: SpoolFile,
  ) {}

  /** Does nothing for an entry that failed before. Returns the content bytes that came to stand in the file. */
  write(placement: Placement, bytes: Buffer): number {
    const { number } = placement;
    if (bytes.length !== placement.length) {
      this.fail(number, new Error('a chunk has another length than its file says'));
      return 0;
    }
    try {
      if (placement.into === 'xattrs') {
        this.xattrs.overwrite(placement.offset, bytes);
        this.countXattrs(number, bytes.length);
        return 0;
      }
      const known = this.known(number);
      const planned = known === null ? this.spool.get(number) : null;
      if (planned !== null && planned.node.state === NodeState.planned && isOneChunk(planned.entry)) {
        this.whole.make(planned, bytes, null);
        return bytes.length;
      }
      const file = planned === null ? known : this.open(planned);
      if (file === null) return 0;
      if (file.isSparse) writeAroundHoles(file.fd, bytes, placement.offset);
      else writeFully(file.fd, bytes, bytes.length, placement.offset);
      file.node.remainingBytes -= bytes.length;
      if (file.node.remainingBytes === 0) this.release(number, file);
      return bytes.length;
    } catch (error) {
      this.fail(number, error);
      return 0;
    }
  }

  fail(number: number, error: unknown): void {
    const file = this.opened.get(number);
    if (file !== undefined) this.release(number, file);
    this.failures.failWith(number, error);
  }

  close(): void {
    for (const [number, file] of this.opened) this.release(number, file);
  }

  private known(number: number): OpenFile | null {
    const known = this.opened.get(number);
    if (known === undefined) return null;
    this.opened.delete(number);
    this.opened.set(number, known);
    return known;
  }

  private open({ number, node, path, entry }: PlannedEntry): OpenFile | null {
    if (node.state !== NodeState.created) return null;
    const fd = this.files.open(path, number, node, constants.O_WRONLY);
    const file = { fd, node, isSparse: entry.isSparse === true };
    this.opened.set(number, file);
    if (this.opened.size > MAX_OPEN_FILES) {
      const [oldest] = this.opened;
      if (oldest !== undefined) this.release(...oldest);
    }
    return file;
  }

  private countXattrs(number: number, bytes: number): void {
    const file = this.opened.get(number);
    if (file !== undefined) {
      file.node.remainingBytes -= bytes;
      return;
    }
    const node = this.spool.nodes.get(number);
    this.spool.nodes.update(number, { remainingBytes: node.remainingBytes - bytes });
  }

  private release(number: number, file: OpenFile): void {
    this.opened.delete(number);
    this.spool.nodes.update(number, { remainingBytes: file.node.remainingBytes });
    closeSync(file.fd);
  }
}

/** Leaves blocks of zeros (aligned in the file, or the parts of them that `bytes` has) unwritten: they are holes. */
function writeAroundHoles(fd: number, bytes: Buffer, offset: number): void {
  let start = 0;
  for (let at = 0; at < bytes.length;) {
    const length = Math.min(HOLE_BYTES - ((offset + at) % HOLE_BYTES), bytes.length - at);
    if (bytes.compare(ZEROS, 0, length, at, at + length) === 0) {
      if (at > start) writeFully(fd, bytes.subarray(start, at), at - start, offset + start);
      start = at + length;
    }
    at += length;
  }
  if (start < bytes.length) writeFully(fd, bytes.subarray(start), bytes.length - start, offset + start);
}
