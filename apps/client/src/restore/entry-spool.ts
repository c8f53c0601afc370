import { decodeEntry, decodeEntryRecord, decodeRecordStream, type Entry } from '#engine';
import { EntryOrder } from './entry-order';
import { type Node, NodeState, NodeTable } from './node-table';
import { RestoreError } from './restore-error';
import { type SpoolFile, SpoolPages, SpoolReader } from './spool-file';

export interface PlannedEntry {
  number: number;
  node: Node;
  path: Buffer;
  entry: Entry;
  /** The entry's identity: hard links are linked again only where these are equal. */
  entryBytes: Buffer;
}

const MAX_ENTRIES = 0xffff_ffff;

/** The entries of a restore on disk, numbered in walk order, with what is known about each. */
export class EntrySpool {
  fileCount = 0;
  directoryCount = 0;
  otherCount = 0;
  contentBytes = 0;
  /** Together the length of all extended attributes that are content of their own. */
  private xattrBytes = 0;

  /** Storage order is about the walk order: what is asked for next mostly lies near. */
  private readonly near: SpoolPages;

  constructor(
    private readonly entries: SpoolFile,
    readonly nodes: NodeTable,
  ) {
    this.near = new SpoolPages(entries);
  }

  add(path: Buffer, entryBytes: Buffer, entry: Entry): void {
    if (this.nodes.count === MAX_ENTRIES) throw new RestoreError('unsafe-entries', 'More than 4 billion entries.');
    const ownXattrBytes = entry.xattrContent?.size ?? 0;
    const remainingBytes = entry.size + ownXattrBytes;
    const xattrOffset = this.xattrBytes;
    this.xattrBytes += ownXattrBytes;
    // Where these end is a place in a file: two that were rounded to the same would overwrite each other.
    if (!Number.isSafeInteger(remainingBytes) || !Number.isSafeInteger(this.xattrBytes)) {
      throw new RestoreError('unsafe-entries', 'Entries claim more extended attributes than there can be.');
    }
    const spoolOffset = this.entries.append(path, entryBytes);
    this.nodes.add({
      spoolOffset,
      device: 0n,
      inode: 0n,
      remainingBytes,
      leader: 0,
      kind: entry.kind,
      state: NodeState.planned,
      pathLength: path.length,
      entryLength: entryBytes.length,
      xattrOffset,
    });
    if (entry.kind === 'file') this.fileCount += 1;
    else if (entry.kind === 'directory') this.directoryCount += 1;
    else this.otherCount += 1;
    this.contentBytes += entry.size;
  }

  flush(): void {
    this.entries.flush();
    this.nodes.flush();
  }

  get(number: number): PlannedEntry {
    const node = this.nodes.get(number);
    const bytes = this.near.read(node.spoolOffset, node.pathLength + node.entryLength);
    return planned(number, node, bytes);
  }

  /** Path and entry, one after the other, as `add` was given them. */
  copyOf(node: Node): Buffer {
    return this.near.read(node.spoolOffset, node.pathLength + node.entryLength);
  }

  path(node: Node): Buffer {
    return this.entries.read(node.spoolOffset, node.pathLength);
  }

  /** All entries in walk order. Buffers hold until the next entry. */
  *all(): Generator<PlannedEntry> {
    const reader = new SpoolReader(this.entries);
    for (let number = 0; number < this.nodes.count; number++) {
      const node = this.nodes.get(number);
      yield planned(number, node, reader.read(node.spoolOffset, node.pathLength + node.entryLength));
    }
  }
}

/**
 * Receives the entry stream of `asked` into the spool and checks it to its last byte: nothing may be written to the
 * target before this has ended without error. Throws CorruptError and RestoreError.
 */
export async function receiveEntries(
  source: AsyncIterable<Uint8Array>,
  asked: Buffer,
  spool: EntrySpool,
  onEntry: () => void,
): Promise<void> {
  const order = new EntryOrder(asked);
  for await (const record of decodeRecordStream(source, 'entries', 'entries of the snapshot')) {
    const { path, entry: entryBytes } = decodeEntryRecord(record, `entry ${spool.nodes.count} of the snapshot`);
    const entry = decodeEntry(entryBytes, `entry ${spool.nodes.count} of the snapshot`);
    order.check(path, entry);
    spool.add(path, entryBytes, entry);
    onEntry();
  }
  if (spool.nodes.count === 0) throw new RestoreError('not-found', 'The snapshot holds nothing at this path.');
  spool.flush();
}

function planned(number: number, node: Node, bytes: Buffer): PlannedEntry {
  const path = bytes.subarray(0, node.pathLength);
  const entryBytes = bytes.subarray(node.pathLength);
  return { number, node, path, entry: decodeEntry(entryBytes, `entry ${number} of the restore plan`), entryBytes };
}
