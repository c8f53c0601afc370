import { DIRECTORY, KIND_CODES } from './catalog-codes';
import { type DirectoryRow, directoriesOf, SmallDirectories } from './small-directories';

const LARGE = 1_000;

/** A tree in memory that counts what is asked of it. */
class Tree {
  private readonly rows = new Map<number, DirectoryRow[]>([[1, []]]);
  private lastNo = 1;
  reads = 0;
  counts = 0;
  rowsRead = 0;

  add(parent: number, kind: 'file' | 'directory'): number {
    const pathNo = (this.lastNo += 1);
    const name = Buffer.from(String(pathNo));
    this.rows.get(parent)?.push({ pathNo, kind: KIND_CODES[kind], name, entry: Buffer.alloc(10) });
    if (kind === 'directory') this.rows.set(pathNo, []);
    return pathNo;
  }

  addFiles(parent: number, count: number): void {
    for (let at = 0; at < count; at += 1) this.add(parent, 'file');
  }

  rowsOf(directory: number): DirectoryRow[] {
    return this.rows.get(directory) ?? [];
  }

  readonly source = {
    count: async (nos: readonly number[], limit: number): Promise<number[]> => {
      this.counts += 1;
      return nos.map((no) => Math.min(limit, this.rowsOf(no).length));
    },
    read: async (nos: readonly number[]): Promise<DirectoryRow[][]> => {
      this.reads += 1;
      const found = nos.map((no) => this.rowsOf(no));
      this.rowsRead += found.flat().length;
      return found;
    },
  };
}

/** Numbers in walk order, as a depth-first walk meets them; large directories are read past `small`. */
async function walk(tree: Tree): Promise<number[]> {
  const small = new SmallDirectories<DirectoryRow>(tree.source);
  const met: number[] = [];
  const enter = async (no: number, upcoming: Iterable<number>): Promise<void> => {
    const taken = await small.take(no, upcoming);
    if (taken === null) expect(tree.rowsOf(no).length).toBeGreaterThanOrEqual(LARGE);
    const rows = taken ?? tree.rowsOf(no);
    for (const [at, row] of rows.entries()) {
      met.push(row.pathNo);
      if (row.kind === DIRECTORY) await enter(row.pathNo, directoriesOf(rows, at + 1));
    }
  };
  await enter(1, []);
  return met;
}

function inWalkOrder(tree: Tree, directory = 1): number[] {
  return tree
    .rowsOf(directory)
    .flatMap(({ pathNo, kind }) => (kind === DIRECTORY ? [pathNo, ...inWalkOrder(tree, pathNo)] : [pathNo]));
}

describe('Small directories', () => {
  it('are read many at a time, whatever lies below them too', async () => {
    const tree = new Tree();
    for (let project = 0; project < 20; project += 1) {
      const top = tree.add(1, 'directory');
      for (let topic = 0; topic < 25; topic += 1) tree.addFiles(tree.add(top, 'directory'), 16);
    }
    expect(await walk(tree)).toEqual(inWalkOrder(tree));
    expect(tree.rowsRead).toBe(20 * (1 + 25 * 17));
    // 521 directories of 8,520 rows.
    expect(tree.reads + tree.counts).toBeLessThan(80);
  });

  it('are read once in a deep chain', async () => {
    const tree = new Tree();
    for (let at = 0, directory = 1; at < 300; at += 1) directory = tree.add(directory, 'directory');
    expect(await walk(tree)).toEqual(inWalkOrder(tree));
    expect(tree.rowsRead).toBe(300);
  });

  it('that are empty are not read at all', async () => {
    const tree = new Tree();
    for (let at = 0; at < 64; at += 1) tree.add(1, 'directory');
    await walk(tree);
    expect(tree.reads).toBe(1);
  });

  it('do not take large ones along', async () => {
    const tree = new Tree();
    for (let at = 0; at < 30; at += 1) tree.addFiles(tree.add(1, 'directory'), at % 3 === 1 ? LARGE : 5);
    expect(await walk(tree)).toEqual(inWalkOrder(tree));
    expect(tree.rowsRead).toBe(30 + 20 * 5);
  });

  it('are forgotten when too much waits, and read again', async () => {
    const tree = new Tree();
    // Each level reads its neighbours along, which come only after all that is deeper.
    for (let depth = 0, directory = 1; depth < 30; depth += 1) {
      const next = tree.add(directory, 'directory');
      for (let at = 0; at < 2; at += 1) tree.addFiles(tree.add(directory, 'directory'), 300);
      directory = next;
      tree.addFiles(directory, 200);
    }
    const rows = inWalkOrder(tree);
    expect(await walk(tree)).toEqual(rows);
    expect(tree.rowsRead).toBeGreaterThan(rows.length);
    expect(tree.rowsRead).toBeLessThan(3 * rows.length);
  });
});
