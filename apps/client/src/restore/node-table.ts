import { type EntryKind } from '#engine';
import { readExact, writeExact } from './exact-numbers';
import { PagedRows } from './paged-rows';
import { type SpoolFile } from './spool-file';

const ENTRY_KIND_CODES: readonly EntryKind[] = [
  'file',
  'directory',
  'symlink',
  'fifo',
  'character-device',
  'block-device',
];

/**
 * What a restore knows about each entry, by its number in walk order. On disk, one row of 56 bytes:
 *   0 u64 offset of the entry in the entry spool · 8 u64 device · 16 u64 inode of what was created ·
 *  24 u64 bytes still to be written (content, long attributes) · 32 u32 number of the leader (hard links) · 36 u8 kind · 37 u8 state ·
 *  38 u16 0 · 40 u32 length of the path · 44 u32 length of the entry · 48 u64 place of long attributes
 *  in their spool
 */
const ROW_BYTES = 56;

export const NodeState = {
  /** Nothing exists yet. */
  planned: 0,
  /** A directory that this restore made or may change; a file that stands under its temporary name. */
  created: 1,
  /** Becomes a hard link of its leader. */
  follower: 2,
  /** Kept as it was found (skip-existing, or a directory that was there): its metadata are not touched. */
  kept: 3,
  failed: 4,
  /** In place, with its metadata. */
  done: 5,
} as const;
export type NodeState = (typeof NodeState)[keyof typeof NodeState];

export interface Node {
  spoolOffset: number;
  device: bigint;
  inode: bigint;
  /** Content and long attributes still to be written; only 0 makes the entry whole. */
  remainingBytes: number;
  leader: number;
  kind: EntryKind;
  state: NodeState;
  pathLength: number;
  entryLength: number;
  /** Where extended attributes that are content of their own are put together. */
  xattrOffset: number;
}

export class NodeTable {
  private rows = 0;
  private readonly row = Buffer.alloc(ROW_BYTES);

  private readonly pages: PagedRows;

  constructor(private readonly file: SpoolFile) {
    this.pages = new PagedRows(file, ROW_BYTES);
  }

  get count(): number {
    return this.rows;
  }

  add(node: Node): number {
    this.encode(node);
    this.file.append(this.row);
    return this.rows++;
  }

  get(number: number): Node {
    const row = this.pages.page(number);
    const at = this.pages.offset(number);
    return {
      spoolOffset: readExact(row, at),
      device: row.readBigUInt64LE(at + 8),
      inode: row.readBigUInt64LE(at + 16),
      remainingBytes: readExact(row, at + 24),
      leader: row.readUInt32LE(at + 32),
      kind: kindOfCode(row.readUInt8(at + 36), number),
      state: row.readUInt8(at + 37) as NodeState,
      pathLength: row.readUInt32LE(at + 40),
      entryLength: row.readUInt32LE(at + 44),
      xattrOffset: readExact(row, at + 48),
    };
  }

  set(number: number, node: Node): void {
    this.encode(node);
    this.pages.replace(number, this.row);
  }

  stateOf(number: number): NodeState {
    return this.pages.page(number).readUInt8(this.pages.offset(number) + 37) as NodeState;
  }

  kindOf(number: number): EntryKind {
    return kindOfCode(this.pages.page(number).readUInt8(this.pages.offset(number) + 36), number);
  }

  setState(number: number, state: NodeState): void {
    this.pages.edit(number).writeUInt8(state, this.pages.offset(number) + 37);
  }

  /** Of content or long attributes. */
  countWritten(number: number, bytes: number): void {
    const row = this.pages.edit(number);
    const at = this.pages.offset(number) + 24;
    writeExact(row, readExact(row, at) - bytes, at);
  }

  update(number: number, change: Partial<Node>): Node {
    const node = { ...this.get(number), ...change };
    this.set(number, node);
    return node;
  }

  flush(): void {
    this.file.flush();
  }

  private encode(node: Node): void {
    const { row } = this;
    row.fill(0);
    writeExact(row, node.spoolOffset, 0);
    row.writeBigUInt64LE(node.device, 8);
    row.writeBigUInt64LE(node.inode, 16);
    writeExact(row, node.remainingBytes, 24);
    row.writeUInt32LE(node.leader, 32);
    row.writeUInt8(ENTRY_KIND_CODES.indexOf(node.kind), 36);
    row.writeUInt8(node.state, 37);
    row.writeUInt32LE(node.pathLength, 40);
    row.writeUInt32LE(node.entryLength, 44);
    writeExact(row, node.xattrOffset, 48);
  }
}

function kindOfCode(code: number, number: number): EntryKind {
  const kind = ENTRY_KIND_CODES[code];
  if (kind === undefined) throw new Error(`restore plan, entry ${number}: unknown kind`);
  return kind;
}
