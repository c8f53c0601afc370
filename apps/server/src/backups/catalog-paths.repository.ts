import { Injectable } from '@nestjs/common';
import { joinPath, ROOT_PATH } from '#engine';
import { type Column, slices, type Sql } from '../database/sql';
import { KnownDirectories, type KnownDirectory } from './known-directories';
import {
  type KeyedPath,
  keyedPath,
  nameOfKey,
  NO_PARENT,
  nodesOf,
  parentKeyOf,
  type PathNode,
  stepDown,
  walkersOf,
} from './path-walk';

/** Numbers of paths and of the directories that they lie in, by {@link pathKey}. */
export interface PathNumbers {
  readonly numbers: ReadonlyMap<string, number>;
  /** Numbers that were given by this very call: nothing refers to them yet. */
  readonly created: ReadonlySet<number>;
  readonly directories: ReadonlyMap<string, KnownDirectory>;
}

interface Walk {
  readonly paths: readonly KeyedPath[];
  readonly create: ReadonlySet<string>;
  /** Directories from which the walk may start. */
  readonly known: ReadonlyMap<string, KnownDirectory>;
}

/** A name in a directory; null: its number is not known. */
type NamedNode = Pick<PathNode, 'parentNo' | 'name' | 'no'>;

interface NumberedPath {
  readonly no: number;
  readonly parentNo: number;
  readonly name: Buffer;
}

/** Names looked up before other requests get their turn, and how many of them a statement weighs. */
const STEPS_PER_TURN = 8_192;
const STEPS_PER_STATEMENT = 256;
/** Most paths of directories that a {@link PathCache} keeps. */
const MAX_CACHED_PATHS = 20_000;

const LOOK_UP: readonly Column[] = [
  { name: 'parent_no', type: 'int' },
  { name: 'name', type: 'bytes' },
];
const INSERT: readonly Column[] = [{ name: 'task_no', type: 'int' }, ...LOOK_UP];
const PATH_KEY: readonly string[] = ['task_no', 'parent_no', 'name'];
const NUMBERS: readonly Column[] = [{ name: 'no', type: 'int' }];

/** Paths of directories by their numbers, for a reading of many pages. Numbers are never reused, so it cannot be stale. */
export class PathCache {
  private readonly paths = new Map<number, Buffer>();

  get(no: number): Buffer | undefined {
    return this.paths.get(no);
  }

  add(no: number, path: Buffer): void {
    if (this.paths.size >= MAX_CACHED_PATHS) this.paths.clear();
    this.paths.set(no, path);
  }
}

/** Rows of `paths`: a tree of names, each with a number that stands for its path. One statement per level of depth. */
@Injectable()
export class CatalogPathsRepository {
  private readonly known = new KnownDirectories();

  /**
   * Numbers of these paths and of the directories that they lie in, by {@link pathKey}. A path that has no row is missing
   * in the answer.
   */
  async numbersOf(sql: Sql, taskNo: number, paths: readonly Buffer[]): Promise<ReadonlyMap<string, number>> {
    const start = { paths: paths.map(keyedPath), create: new Set<string>(), known: new Map<string, KnownDirectory>() };
    return (await this.walk(sql, taskNo, start)).numbers;
  }

  /**
   * As {@link CatalogPathsRepository.numbersOf}; a path that has no row gets a number if `create` names it and its parent
   * has one.
   */
  async numberPaths(
    tx: Sql,
    taskNo: number,
    paths: readonly KeyedPath[],
    create: ReadonlySet<string>,
  ): Promise<PathNumbers> {
    const known = await this.knownParents(tx, taskNo, paths);
    return this.walk(tx, taskNo, { paths, create, known });
  }

  /** Remembers directories for the next batch, once the transaction that met or made them is committed. */
  remember(taskNo: number, directories: Iterable<readonly [string, KnownDirectory]>): void {
    for (const [key, directory] of directories) this.known.add(taskNo, key, directory);
  }

  /**
   * Goes down name by name, and only as far as there are rows: a path may be as deep as it is long, and the keys of all
   * its ancestors would take the square of that in memory.
   */
  private async walk(sql: Sql, taskNo: number, start: Walk): Promise<PathNumbers> {
    const numbers = new Map<string, number>();
    const created = new Set<number>();
    const fresh = new Set<number>();
    for (const { no, isNew } of start.known.values()) if (isNew) fresh.add(no);
    const directories = new Map<string, KnownDirectory>();
    let walkers = walkersOf(start.paths, start.known);
    for (let steps = 0; walkers.length > 0;) {
      steps += walkers.length + STEPS_PER_STATEMENT;
      if (steps >= STEPS_PER_TURN) {
        steps = 0;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      const nodes = nodesOf(walkers, start.create);
      // In a directory that was just made there is nothing to be found.
      const likelyNew = nodes.filter(({ isWanted, parentNo }) => isWanted && fresh.has(parentNo));
      const early = await this.insert(sql, taskNo, likelyNew);
      const absent = await this.findNumbers(
        sql,
        taskNo,
        nodes.filter(({ no }) => no === null),
      );
      const wanted = absent.filter(({ isWanted }) => isWanted);
      const late = await this.insert(sql, taskNo, wanted);
      for (const no of [...early, ...late]) {
        created.add(no);
        fresh.add(no);
      }
      // What another batch inserted meanwhile.
      const others = wanted.filter(({ no }) => no === null);
      if (others.length > 0) await this.findNumbers(sql, taskNo, others);
      walkers = nodes.flatMap((node) => stepDown(node, { numbers, directories, fresh }));
    }
    return { numbers, created, directories };
  }

  /** Gives numbers to those of the nodes that have no row. */
  private async insert(sql: Sql, taskNo: number, nodes: readonly PathNode[]): Promise<number[]> {
    const created: number[] = [];
    for await (const slice of slices(nodes)) {
      const rows = slice.map(({ parentNo, name }) => [taskNo, parentNo, name]);
      const nos = await sql.insertNumbered('paths', INSERT, rows, PATH_KEY);
      for (const [position, node] of slice.entries()) {
        node.no = nos[position] ?? null;
        if (node.no !== null) created.push(node.no);
      }
    }
    return created;
  }

  /**
   * The parents of the paths that are known, with what is known of the directories above them, as far as their rows stand and
   * are still these very directories: a database that was set back under a live process gives their numbers again.
   */
  private async knownParents(
    tx: Sql,
    taskNo: number,
    paths: readonly KeyedPath[],
  ): Promise<ReadonlyMap<string, KnownDirectory>> {
    const parents = new Map<string, KnownDirectory>();
    const forgotten = new Set<string>();
    let last: string | undefined;
    for (const { parentKey } of paths) {
      if (parentKey === last || parents.has(parentKey)) continue;
      last = parentKey;
      for (let key = parentKey; key !== '' && !parents.has(key); key = parentKeyOf(key)) {
        const directory = this.known.find(taskNo, key);
        if (directory === undefined) break;
        parents.set(key, directory);
      }
    }
    const claims = [...parents].map(([key, { parentNo }]): NamedNode & { key: string } => ({
      key,
      parentNo,
      name: nameOfKey(key),
      no: null,
    }));
    await this.findNumbers(tx, taskNo, claims);
    // Those above first: the number of a directory is worth nothing when the one that it lies in is another.
    for (const { key, parentNo, no } of claims.sort((a, b) => a.key.length - b.key.length)) {
      const above = parentKeyOf(key);
      const isBelowAnother = parents.has(above) && parents.get(above)?.no !== parentNo;
      if (no === parents.get(key)?.no && !isBelowAnother && !forgotten.has(above)) continue;
      parents.delete(key);
      forgotten.add(key);
      this.known.forget(taskNo, key);
    }
    return parents;
  }

  /** Full paths of these numbers; `cache` carries the directories from one call to the next. */
  async pathsOf(sql: Sql, numbers: readonly number[], cache: PathCache): Promise<Map<number, Buffer>> {
    const rows = new Map<number, NumberedPath>();
    const known = new Map<number, Buffer>();
    for (let wanted = [...new Set(numbers)]; wanted.length > 0;) {
      const found: NumberedPath[] = [];
      for await (const slice of slices(wanted)) {
        found.push(
          ...(await sql.allWith<NumberedPath>(
            { columns: NUMBERS, rows: slice.map((no) => [no]) },
            'select p.no, p.parent_no as "parentNo", p.name from input join paths p on p.no = input.no',
          )),
        );
      }
      const parents = new Set<number>();
      for (const row of found) {
        rows.set(row.no, row);
        const cached = cache.get(row.parentNo);
        if (cached !== undefined) known.set(row.parentNo, cached);
        else if (row.parentNo !== NO_PARENT && !rows.has(row.parentNo)) parents.add(row.parentNo);
      }
      wanted = [...parents].filter((no) => !rows.has(no));
    }
    return new Map(numbers.map((no) => [no, fullPath(no, { rows, known, cache })]));
  }

  /** Fills in the numbers that are found; returns the nodes without one. */
  private async findNumbers<N extends NamedNode>(sql: Sql, taskNo: number, nodes: readonly N[]): Promise<N[]> {
    for await (const slice of slices(nodes)) {
      const found = await sql.allWith<{ n: number; no: number | null }>(
        { columns: LOOK_UP, rows: slice.map(({ parentNo, name }) => [parentNo, name]) },
        // Scalar: both planners then look every name up in the index; a join they may turn round and read the task's paths.
        `select input.n, (select p.no from paths p
           where p.task_no = ? and p.parent_no = input.parent_no and p.name = input.name) as no
         from input`,
        [taskNo],
      );
      for (const { n, no } of found) {
        const node = slice[n];
        if (node !== undefined) node.no = no;
      }
    }
    return nodes.filter(({ no }) => no === null);
  }
}

interface PathSources {
  readonly rows: ReadonlyMap<number, NumberedPath>;
  readonly known: Map<number, Buffer>;
  readonly cache: PathCache;
}

/** Climbs to what is known, then comes down again; no recursion, trees may be deep. */
function fullPath(no: number, { rows, known, cache }: PathSources): Buffer {
  const chain: NumberedPath[] = [];
  let path: Buffer | undefined;
  for (let at = no; ;) {
    path = known.get(at);
    if (path !== undefined) break;
    const row = rows.get(at);
    if (row === undefined) throw new Error(`path ${at} has no row`);
    chain.push(row);
    if (row.parentNo === NO_PARENT) break;
    at = row.parentNo;
  }
  for (const row of chain.reverse()) {
    path = path === undefined ? ROOT_PATH : joinPath(path, row.name);
    if (row.no === no) return path;
    known.set(row.no, path);
    cache.add(row.no, path);
  }
  if (path === undefined) throw new Error(`path ${no} has no row`);
  return path;
}
