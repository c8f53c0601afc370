import { keyString, type ChunkKey } from '#engine';
import { type Column, slices, type Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { lockChunks, updateLocked } from './chunk-locks';
import { type NamedKey, nameOf, nosInput, sortedNos, type StoredChunk } from './chunk-rows';

/**
 * "Have it?", asked so that the answer holds: whoever relies on a condemned chunk first writes its row (which reclaim
 * rechecks under the row's lock), and only then reads. Both descend into lists, also when the list itself is neither
 * condemned nor damaged.
 */

/** Lists whose children are looked up in one statement: about 8,000 rows, at most 32,768. */
const LISTS_PER_STATEMENT = 64;
const MAX_ROUNDS = 5;

type FindChunks = (tx: Sql, domainNo: number, keys: readonly ChunkKey[]) => Promise<Map<string, StoredChunk>>;

/** A data chunk, and the number that its row had. */
interface NumberedChunk {
  readonly no: number;
  readonly id: Buffer;
}

const NUMBERED_CHUNK: readonly Column[] = [
  { name: 'no', type: 'int' },
  { name: 'id', type: 'bytes' },
];

interface ChildTrouble {
  list_no: number;
  child_no: number;
  /** Null when there is no such chunk. */
  id: Buffer | null;
  height: number | null;
  damaged: number | null;
  condemned_at: number | null;
}

/** What stood when nothing of it was condemned any more; `found` is by `keyString`, damaged ones included. */
export interface Presence {
  readonly missing: ChunkKey[];
  readonly found: ReadonlyMap<string, StoredChunk>;
}

interface Survey {
  found: Map<string, StoredChunk>;
  /** All lists that were found, and all below them. */
  listNos: Set<number>;
  troubles: ChildTrouble[];
  condemnedNos: number[];
}

/** Clears `condemned_at` of the chunks and of all that their lists name. */
export async function reviveChunks(tx: Sql, chunkNos: Iterable<number>): Promise<void> {
  const nos = sortedNos(chunkNos);
  const below = await childTroubles(tx, await listsBelow(tx, nos));
  await revive(tx, [...nos, ...condemnedOf(below)]);
}

/**
 * Revives, then tells which of the keys the domain lacks: absent or damaged ones, damaged ones below a list, and every
 * list on the way to them. A list that names a chunk which is gone is marked damaged, so that its next upload heals it.
 */
export async function findMissing(
  tx: Sql,
  domainNo: number,
  keys: readonly ChunkKey[],
  findChunks: FindChunks,
): Promise<Presence> {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const survey = await surveyChunks(tx, domainNo, keys, findChunks);
    // Nothing condemned: none of these rows can go before a pass of reclaim that begins after this transaction.
    if (survey.condemnedNos.length === 0) {
      return { missing: await missingKeys(tx, keys, survey), found: survey.found };
    }
    await revive(tx, survey.condemnedNos);
    // Read again, after the write: a sweep that held one of the rows may have deleted it while we waited.
  }
  throw new DomainError('unavailable', 'Reclaim is taking chunks away while they are asked for; try again.');
}

/**
 * Those of the domain's data chunks whose rows are gone, damaged or condemned, or are another chunk's: PostgreSQL that was set back
 * under a live process (a failover, a recovery) gives numbers again. A SQLite file cannot be, and ids are dear to hand in there.
 */
export async function unsoundAmong<C extends NumberedChunk>(
  tx: Sql,
  domainNo: number,
  chunks: readonly C[],
): Promise<C[]> {
  const unsound: C[] = [];
  if (tx.dialect === 'sqlite') return unsoundByNumber(tx, chunks);
  for await (const slice of slices(chunks)) {
    const rows = await tx.allWith<{ n: number }>(
      { columns: NUMBERED_CHUNK, rows: slice.map(({ no, id }) => [no, id]) },
      `select input.n from input left join chunks c on c.no = input.no
       where c.no is null or c.damaged = 1 or c.condemned_at is not null
         or c.id <> input.id or c.height <> 0 or c.domain_no <> ?`,
      [domainNo],
    );
    for (const { n } of rows) unsound.push(...slice.slice(n, n + 1));
  }
  return unsound;
}

async function unsoundByNumber<C extends NumberedChunk>(tx: Sql, chunks: readonly C[]): Promise<C[]> {
  const unsound: C[] = [];
  for await (const slice of slices(chunks)) {
    const rows = await tx.allWith<{ n: number }>(
      nosInput(slice.map(({ no }) => no)),
      `select input.n from input left join chunks c on c.no = input.no
       where c.no is null or c.damaged = 1 or c.condemned_at is not null`,
    );
    for (const { n } of rows) unsound.push(...slice.slice(n, n + 1));
  }
  return unsound;
}

async function surveyChunks(
  tx: Sql,
  domainNo: number,
  keys: readonly ChunkKey[],
  findChunks: FindChunks,
): Promise<Survey> {
  const found = await findChunks(tx, domainNo, keys);
  const chunks = [...found.values()];
  const roots = chunks.filter((chunk) => chunk.height > 0).map((chunk) => chunk.no);
  const listNos = await listsBelow(tx, roots);
  const troubles = await childTroubles(tx, listNos);
  const condemned = chunks.filter((chunk) => chunk.condemnedAt !== null).map((chunk) => chunk.no);
  return { found, listNos, troubles, condemnedNos: [...condemned, ...condemnedOf(troubles)] };
}

/** The lists among the chunks and all lists below them: few, one for about 128 chunks. */
async function listsBelow(tx: Sql, chunkNos: readonly number[]): Promise<Set<number>> {
  const lists = new Set<number>();
  for await (const slice of slices(chunkNos)) {
    const rows = await tx.allWith<{ no: number }>(
      nosInput(slice),
      `, lists(no, height) as (
         select c.no, c.height from input join chunks c on c.no = input.no where c.height > 0
         union
         select c.no, c.height from lists join list_refs r on r.list_no = lists.no join chunks c on c.no = r.child_no
         where lists.height > 1
       ) select no from lists`,
    );
    for (const row of rows) lists.add(row.no);
  }
  return lists;
}

/** Children of the lists that are condemned, damaged or gone. */
async function childTroubles(tx: Sql, listNos: ReadonlySet<number>): Promise<ChildTrouble[]> {
  const troubles: ChildTrouble[] = [];
  for await (const slice of slices(sortedNos(listNos), LISTS_PER_STATEMENT)) {
    const rows = await tx.allWith<ChildTrouble>(
      nosInput(slice),
      `select r.list_no, r.child_no, c.id, c.height, c.damaged, c.condemned_at
       from input join list_refs r on r.list_no = input.no left join chunks c on c.no = r.child_no
       where c.no is null or c.damaged = 1 or c.condemned_at is not null`,
    );
    for (const row of rows) troubles.push(row);
  }
  return troubles;
}

function condemnedOf(troubles: readonly ChildTrouble[]): number[] {
  return troubles.filter((child) => child.condemned_at !== null).map((child) => child.child_no);
}

async function revive(tx: Sql, nos: readonly number[]): Promise<void> {
  const condemned = await lockChunks(tx, nos, 'c.condemned_at is not null');
  await updateLocked(tx, condemned, 'condemned_at = null');
}

async function missingKeys(tx: Sql, keys: readonly NamedKey[], survey: Survey): Promise<ChunkKey[]> {
  const missing = new Map<string, ChunkKey>();
  for await (const slice of slices(keys)) {
    for (const key of slice) {
      const name = nameOf(key);
      const chunk = survey.found.get(name);
      if (chunk === undefined || chunk.isDamaged) missing.set(name, { id: key.id, height: key.height });
    }
  }
  // Revived by now: what is left is damaged or gone.
  const gone = survey.troubles.filter((child) => child.id === null);
  const goneLists = await lockChunks(tx, new Set(gone.map((child) => child.list_no)), 'c.damaged = 0');
  await updateLocked(tx, goneLists, 'damaged = 1');
  for (const child of survey.troubles) {
    if (child.id === null || child.height === null) continue;
    const key = { id: child.id, height: child.height };
    missing.set(keyString(key), key);
  }
  const broken = new Set(survey.troubles.map((child) => child.list_no));
  for (const list of await listsAbove(tx, broken)) {
    // Other lists, of files that nobody asked about, may share these chunks.
    if (survey.listNos.has(list.no)) missing.set(keyString(list), { id: list.id, height: list.height });
  }
  return [...missing.values()];
}

/** The lists and all that name them, up to the top. */
async function listsAbove(tx: Sql, listNos: ReadonlySet<number>): Promise<(ChunkKey & { no: number })[]> {
  const above: (ChunkKey & { no: number })[] = [];
  for await (const slice of slices(sortedNos(listNos))) {
    const rows = await tx.allWith<ChunkKey & { no: number }>(
      nosInput(slice),
      `, up(no) as (select no from input union select r.list_no from up join list_refs r on r.child_no = up.no)
       select c.no, c.id, c.height from up join chunks c on c.no = up.no`,
    );
    for (const row of rows) above.push(row);
  }
  return above;
}
