import { type SnapshotSummary } from '#common';
import { EntrySpool } from '../restore/entry-spool';
import { NodeState, NodeTable } from '../restore/node-table';
import { type ContentFailures } from '../restore/ports';
import { type SpoolFile } from '../restore/spool-file';
import { type SnapshotEntry } from './snapshot-entries';

/** A version whose content the server does not have, or has damaged. */
export interface DamagedVersion {
  readonly path: Buffer;
  readonly reason: string;
  /** The oldest and the newest snapshot that show it. */
  readonly first: SnapshotSummary;
  readonly newest: SnapshotSummary;
}

const MAX_NAMED = 1_000;
/** u32 position of the oldest, u32 position of the newest snapshot. */
const ROW_BYTES = 8;

/** What a check is about, on disk: versions by number, the snapshots that show each, and which are damaged. */
export class CheckedEntries implements ContentFailures {
  readonly spool: EntrySpool;
  damagedCount = 0;
  private readonly named = new Map<number, DamagedVersion>();
  private readonly positions = new Map<string, number>();
  private readonly snapshots: SnapshotSummary[] = [];
  private readonly row = Buffer.alloc(ROW_BYTES);

  constructor(
    files: { readonly entries: SpoolFile; readonly nodes: SpoolFile },
    private readonly shownBy: SpoolFile,
  ) {
    this.spool = new EntrySpool(files.entries, new NodeTable(files.nodes));
  }

  add({ path, entry, entryBytes }: SnapshotEntry, range: { first: SnapshotSummary; newest: SnapshotSummary }): void {
    this.spool.add(path, entryBytes, entry);
    this.row.writeUInt32LE(this.positionOf(range.first), 0);
    this.row.writeUInt32LE(this.positionOf(range.newest), 4);
    this.shownBy.append(this.row);
  }

  fail(number: number, reason: string): void {
    const { nodes } = this.spool;
    const node = nodes.get(number);
    if (node.state === NodeState.failed) return;
    nodes.update(number, { state: NodeState.failed });
    this.damagedCount += 1;
    if (this.named.size >= MAX_NAMED) return;
    const row = this.shownBy.read(number * ROW_BYTES, ROW_BYTES);
    const [first, newest] = [this.snapshots[row.readUInt32LE(0)], this.snapshots[row.readUInt32LE(4)]];
    if (first === undefined || newest === undefined) throw new Error(`check, entry ${number}: no snapshot shows it`);
    this.named.set(number, { path: this.spool.path(node), reason, first, newest });
  }

  /** In walk order, the thousand that were found first; `damagedCount` counts all. */
  get damaged(): DamagedVersion[] {
    return [...this.named].sort(([a], [b]) => a - b).map(([, version]) => version);
  }

  private positionOf(snapshot: SnapshotSummary): number {
    const known = this.positions.get(snapshot.id);
    if (known !== undefined) return known;
    const position = this.snapshots.push(snapshot) - 1;
    this.positions.set(snapshot.id, position);
    return position;
  }
}
