import { Injectable } from '@nestjs/common';
import { joinPath, ROOT_PATH, splitPath } from '#engine';
import { type Column, slices, type Sql } from '../database/sql';

/** A path as a key of maps. */
export function pathKey(path: Buffer): string {
  return path.toString('latin1');
}

interface PathNode {
  readonly key: string;
  /** Key of its parent; null for the root. */
  readonly parent: string | null;
  readonly name: Buffer;
  readonly isWanted: boolean;
}

interface NumberedPath {
  readonly no: number;
  readonly parentNo: number;
  readonly name: Buffer;
}

const NO_PARENT = 0;
/** Most paths of directories that a {@link PathCache} keeps. */
const MAX_CACHED_PATHS = 20_000;

const LOOK_UP: readonly Column[] = [
  { name: 'parent_no', type: 'int' },
  { name: 'name', type: 'bytes' },
];
const INSERT: readonly Column[] = [{ name: 'task_no', type: 'int' }, ...LOOK_UP];
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
  /**
   * Numbers of these paths and of their ancestors, by {@link pathKey}. A path that has no row is missing in the answer,
   * unless `create` names it and its parent has a number: then it gets one.
   */
  async numbersOf(
    sql: Sql,
    taskNo: number,
    paths: readonly Buffer[],
    create: ReadonlySet<string> = new Set(),
  ): Promise<Map<string, number>> {
    const numbers = new Map<string, number>();
    for (const level of levelsOf(paths, create)) {
      const nodes = level.filter(({ parent }) => parent === null || numbers.has(parent));
      const absent = await this.addNumbers(sql, taskNo, nodes, numbers);
      const wanted = absent.filter(({ isWanted }) => isWanted);
      if (wanted.length === 0) continue;
      for await (const slice of slices(wanted)) {
        const rows = slice.map((node) => [taskNo, parentNumber(node, numbers), node.name]);
        await sql.insertMany('paths', INSERT, rows, 'on conflict do nothing');
      }
      await this.addNumbers(sql, taskNo, wanted, numbers);
    }
    return numbers;
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

  /** Adds the numbers that are found; returns the nodes without one. */
  private async addNumbers(
    sql: Sql,
    taskNo: number,
    nodes: readonly PathNode[],
    numbers: Map<string, number>,
  ): Promise<PathNode[]> {
    for await (const slice of slices(nodes)) {
      const found = await sql.allWith<{ n: number; no: number | null }>(
        { columns: LOOK_UP, rows: slice.map((node) => [parentNumber(node, numbers), node.name]) },
        // Scalar: both planners then look every name up in the index; a join they may turn round and read the task's paths.
        `select input.n, (select p.no from paths p
           where p.task_no = ? and p.parent_no = input.parent_no and p.name = input.name) as no
         from input`,
        [taskNo],
      );
      for (const { n, no } of found) {
        const node = slice[n];
        if (node !== undefined && no !== null) numbers.set(node.key, no);
      }
    }
    return nodes.filter(({ key }) => !numbers.has(key));
  }
}

function parentNumber(node: PathNode, numbers: ReadonlyMap<string, number>): number {
  return node.parent === null ? NO_PARENT : (numbers.get(node.parent) ?? NO_PARENT);
}

/** The paths and all their ancestors, by depth, each once. */
function levelsOf(paths: readonly Buffer[], create: ReadonlySet<string>): PathNode[][] {
  const nodes = new Map<string, { node: PathNode; depth: number }>();
  for (const path of paths) {
    const chain: { path: Buffer; key: string }[] = [];
    let depth = -1;
    for (let at = path; ; at = splitPath(at).parent) {
      const key = pathKey(at);
      const known = nodes.get(key);
      if (known !== undefined) depth = known.depth;
      else chain.push({ path: at, key });
      if (known !== undefined || at.length === 1) break;
    }
    for (const step of chain.reverse()) {
      depth += 1;
      const { parent, name } = splitPath(step.path);
      const parentKey = parent.length === 0 ? null : pathKey(parent);
      const node = { key: step.key, parent: parentKey, name, isWanted: create.has(step.key) };
      nodes.set(step.key, { node, depth });
    }
  }
  const levels: PathNode[][] = [];
  for (const { node, depth } of nodes.values()) (levels[depth] ??= []).push(node);
  return levels;
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
