import type { KnownDirectory } from './known-directories';

/** A path as a key of maps. */
export function pathKey(path: Buffer): string {
  return path.toString('latin1');
}

/**
 * The key of the directory that the path with this key lies in; '' of the root. `near`, the parent of the path before it, is
 * given back itself where it is this one's too: a string whose hash is known, and which maps compare at a glance.
 */
export function parentKeyOf(key: string, near = ''): string {
  if (key === ROOT_KEY) return '';
  const slash = key.lastIndexOf('/');
  if (slash > 0 && near.length === slash && key.startsWith(near)) return near;
  return key.slice(0, slash) || ROOT_KEY;
}

/** A path with its {@link pathKey}, and that of the directory that it lies in ('' of the root). */
export interface KeyedPath {
  readonly path: Buffer;
  readonly key: string;
  readonly parentKey: string;
}

export function keyedPath(path: Buffer): KeyedPath {
  const key = pathKey(path);
  return { path, key, parentKey: parentKeyOf(key) };
}

/** A path on the way from the root down to its number. */
export interface Walker extends KeyedPath {
  /** Where the name that is looked up next begins; 0: the root. */
  start: number;
  parentNo: number;
  /** Of the directory that `parentNo` lies in. */
  aboveNo: number;
}

/** A name in a directory that has a number, and who looks for it. */
export interface PathNode {
  readonly parentNo: number;
  readonly name: Buffer;
  readonly walkers: Walker[];
  isWanted: boolean;
  no: number | null;
}

/** What a walk has found so far. */
export interface Found {
  readonly numbers: Map<string, number>;
  readonly directories: Map<string, KnownDirectory>;
  readonly fresh: ReadonlySet<number>;
}

/** `paths.parent_no` of the root. */
export const NO_PARENT = 0;
const ROOT_NAME = Buffer.alloc(0);
const ROOT_KEY = '/';

/** The name of the path with this key, as `paths` has it. */
export function nameOfKey(key: string): Buffer {
  return key === ROOT_KEY ? ROOT_NAME : Buffer.from(key.slice(key.lastIndexOf('/') + 1), 'latin1');
}

/** One for each path, however often it is named: at its last name if its directory is known, else at the root. */
export function walkersOf(paths: readonly KeyedPath[], known: ReadonlyMap<string, KnownDirectory>): Walker[] {
  const walkers = new Map<string, Walker>();
  for (const { path, key, parentKey } of paths) {
    if (walkers.has(key)) continue;
    const directory = known.get(parentKey);
    const start = directory === undefined ? 0 : key.lastIndexOf('/') + 1;
    const { no: parentNo, parentNo: aboveNo } = directory ?? { no: NO_PARENT, parentNo: NO_PARENT };
    walkers.set(key, { path, key, parentKey, start, parentNo, aboveNo });
  }
  return [...walkers.values()];
}

/** Where the name that begins at `start` ends. The key has a character for each byte, and is searched at half the cost. */
function endOf({ key, start }: Walker): number {
  if (start === 0) return key.length === 1 ? 1 : 0;
  const slash = key.indexOf('/', start);
  return slash === -1 ? key.length : slash;
}

/**
 * What the walkers look for next, each name of a directory once. A path is asked for once, so where it ends only those that go
 * on through it can look for the same name: when there are none, as among files of known directories, no key is made.
 */
export function nodesOf(walkers: readonly Walker[], create: ReadonlySet<string>): PathNode[] {
  const nodes: PathNode[] = [];
  const passed = new Map<string, PathNode>();
  const ending: Walker[] = [];
  for (const walker of walkers) {
    const end = endOf(walker);
    if (end === walker.path.length) {
      ending.push(walker);
      continue;
    }
    const name = nameAt(walker, end);
    const nodeKey = keyOfNode(walker.parentNo, name);
    const node = passed.get(nodeKey);
    if (node !== undefined) {
      node.walkers.push(walker);
      continue;
    }
    const made: PathNode = { parentNo: walker.parentNo, name, walkers: [walker], isWanted: false, no: null };
    passed.set(nodeKey, made);
    nodes.push(made);
  }
  for (const walker of ending) {
    const { parentNo, path, key } = walker;
    const name = nameAt(walker, path.length);
    const isWanted = create.has(key);
    const node = passed.size === 0 ? undefined : passed.get(keyOfNode(parentNo, name));
    if (node === undefined) {
      nodes.push({ parentNo, name, walkers: [walker], isWanted, no: null });
    } else {
      node.walkers.push(walker);
      node.isWanted ||= isWanted;
    }
  }
  return nodes;
}

function nameAt({ path, start }: Walker, end: number): Buffer {
  return start === 0 ? ROOT_NAME : path.subarray(start, end);
}

function keyOfNode(parentNo: number, name: Buffer): string {
  return `${parentNo} ${name.toString('latin1')}`;
}

/** Notes the numbers of paths that end here; returns the walkers that go on. */
export function stepDown({ no, parentNo, walkers }: PathNode, { numbers, directories, fresh }: Found): Walker[] {
  return walkers.filter((walker) => {
    const { path, key, parentKey } = walker;
    const end = endOf(walker);
    if (end < path.length) {
      if (no === null) return false;
      walker.aboveNo = parentNo;
      walker.parentNo = no;
      walker.start = end + 1;
      return true;
    }
    if (no !== null) numbers.set(key, no);
    if (parentNo !== NO_PARENT && !numbers.has(parentKey)) numbers.set(parentKey, parentNo);
    if (parentNo !== NO_PARENT && !directories.has(parentKey)) {
      directories.set(parentKey, { no: parentNo, parentNo: walker.aboveNo, isNew: fresh.has(parentNo) });
    }
    return false;
  });
}
