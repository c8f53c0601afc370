import { eachDatabase, type TestDatabase } from '../database/testing';
import { CatalogPathsRepository, PathCache } from './catalog-paths.repository';
import { keyedPath } from './path-walk';

const TASK = 1;
const OTHER_TASK = 2;

eachDatabase('CatalogPathsRepository', (open) => {
  let test: TestDatabase;
  let repository: CatalogPathsRepository;
  beforeEach(async () => {
    test = await open();
    repository = new CatalogPathsRepository();
  });

  /** As a batch does: numbers the paths, and remembers the directories that it met. Returns the number of the last. */
  async function batch(...paths: string[]): Promise<number> {
    const keyed = paths.map((path) => keyedPath(Buffer.from(path)));
    const create = new Set(keyed.map(({ key }) => key));
    const { numbers, directories } = await test.database.write('runs.batch', (tx) =>
      repository.numberPaths(tx, TASK, keyed, create),
    );
    repository.remember(TASK, directories);
    return numbers.get(paths.at(-1)!)!;
  }

  const change = (sql: string, ...params: (number | Buffer)[]) =>
    test.database.write('runs.batch', (tx) => tx.run(sql, params));

  /** The task is that of the directory which the path lies in. */
  async function pathAndTask(no: number): Promise<[string | undefined, number | undefined]> {
    return test.database.read(async (sql) => {
      const row = await sql.get<{ task: number }>(
        'select d.task_no as task from paths p join paths d on d.no = p.parent_no where p.no = ?',
        [no],
      );
      return [(await repository.pathsOf(sql, [no], new PathCache())).get(no)?.toString(), row?.task];
    });
  }

  describe('numbers of a database that was set back under the process', () => {
    const other = Buffer.from('other');
    it.each<[string, (nos: { a: number; b: number; root: number }) => Promise<unknown>]>([
      ['a directory of another name', ({ b }) => change('update paths set name = ? where no = ?', other, b)],
      ['one of that name elsewhere', ({ b, root }) => change('update paths set parent_no = ? where no = ?', root, b)],
      ['one below another', ({ a }) => change('update paths set name = ? where no = ?', other, a)],
      ['one of another task', () => change('update paths set task_no = ?', OTHER_TASK)],
    ])('do not stand for what they stood for when they are given to %s', async (_, setBack) => {
      const root = await batch('/');
      const a = await batch('/a');
      const b = await batch('/a/b');
      await batch('/a/b/one');
      await setBack({ root, a, b });
      const two = await batch('/', '/a', '/a/b', '/a/b/two');
      expect(await pathAndTask(two)).toEqual(['/a/b/two', TASK]);
    });
  });
});
