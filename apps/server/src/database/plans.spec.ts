import { createHash } from 'node:crypto';
import type { ChunkKey } from '#engine';
import { ChunksRepository } from '../backups/chunks.repository';
import { PacksRepository } from '../backups/packs.repository';
import { ReclaimRepository } from '../backups/reclaim.repository';
import { columnArrays, inputHeadPostgres, inputHeadSqlite, inputJson } from './dialect';
import { explaining as explainingAndRunning } from './plans.testing';
import type { InputRows, Sql, Value } from './sql';
import { eachDatabase, type TestDatabase } from './testing';

/** An Sql that asks for the plan of each statement instead of running it. */
function explaining(sql: Sql, plans: string[]): Sql {
  const explain = async (text: string, params: readonly unknown[]): Promise<void> => {
    const rows = await sql.all<Record<string, unknown>>(
      `${sql.dialect === 'sqlite' ? 'explain query plan' : 'explain'} ${text}`,
      params as readonly Value[],
    );
    plans.push(rows.map((row) => String(row.detail ?? row['QUERY PLAN'])).join('\n'));
  };
  return {
    dialect: sql.dialect,
    manager: sql.manager,
    folded: (text) => sql.folded(text),
    forUpdate: (alias) => sql.forUpdate(alias),
    forShare: (alias) => sql.forShare(alias),
    notify: (topic, message) => sql.notify(topic, message),
    now: () => sql.now(),
    all: async (text, params = []) => {
      await explain(text, params);
      return [];
    },
    get: async (text, params = []) => {
      await explain(text, params);
      return undefined;
    },
    run: async (text, params = []) => {
      await explain(text, params);
      return { changes: 0 };
    },
    allWith: async (input, text, params = []) => {
      await explain(...headed(sql, input, text, params));
      return [];
    },
    runWith: async (input, text, params = []) => {
      await explain(...headed(sql, input, text, params));
      return { changes: 0 };
    },
    insertMany: () => Promise.resolve({ changes: 0 }),
    insertNumbered: () => Promise.resolve([]),
    raiseLastNo: () => Promise.resolve(),
  };
}

function headed(sql: Sql, input: InputRows, text: string, params: readonly Value[]): [string, unknown[]] {
  return sql.dialect === 'sqlite'
    ? [inputHeadSqlite(input.columns) + text, [inputJson(input), ...params]]
    : [inputHeadPostgres(input.columns) + text, [...columnArrays(input.columns, input.rows), ...params]];
}

const CHUNKS = 20_000;
const LISTS = 150;
const IN_SECOND_PACK = 300;

function chunkKey(at: number): ChunkKey {
  return { id: createHash('sha256').update(`chunk ${at}`).digest(), height: at < LISTS ? 1 : 0 };
}

eachDatabase('query plans', (open) => {
  let test: TestDatabase;
  const chunks = new ChunksRepository();
  const keys = Array.from({ length: 200 }, (_, at) => chunkKey(at * 100));

  beforeAll(async () => {
    test = await open();
    await test.database.write('packs.live', async (tx) => {
      const place = { size: 1, blockOffset: 1, blockLength: 1, chunkOffset: 1, chunkLength: 1 };
      const inserted = await chunks.insertChunks(
        tx,
        1,
        Array.from({ length: CHUNKS + IN_SECOND_PACK }, (_, at) => ({
          ...chunkKey(at),
          ...place,
          packNo: at < CHUNKS ? 1 : 2,
        })),
      );
      const nos = [...inserted.values()].map((chunk) => chunk.no);
      await chunks.insertListRefs(
        tx,
        nos.slice(LISTS).map((childNo, at) => ({ listNo: nos[at % LISTS] ?? 0, childNo })),
      );
      const bytes = { name: 'name', type: 'bytes' } as const;
      const int = (name: string) => ({ name, type: 'int' }) as const;
      await tx.insertMany(
        'paths',
        [int('task_no'), int('parent_no'), bytes],
        nos.map((no) => [1, no % 200, Buffer.from(`n${no}`)]),
      );
      await tx.insertMany(
        'file_versions',
        [
          ...['task_no', 'path_no', 'first_run', 'kind', 'size', 'content_since', 'exists_since'].map(int),
          { name: 'entry', type: 'bytes' },
          { name: 'detect', type: 'bytes' },
        ],
        nos.map((_, at) => [1, at + 1, 1, 1, 1, 1, 1, Buffer.alloc(50), Buffer.alloc(20)]),
      );
    });
    if (test.dialect === 'postgres') await test.database.write('settings.set', (tx) => tx.run('analyze'));
  });

  /** Plans of what `work` runs; a missing answer may cut a method short, so it runs its first statements only. */
  async function plansOf(work: (sql: Sql) => Promise<unknown>): Promise<string[]> {
    const plans: string[] = [];
    await test.database.write('settings.set', (tx) => work(explaining(tx, plans)));
    return plans;
  }

  function expectSearch(plan: string, table: RegExp): void {
    if (test.dialect === 'sqlite') {
      expect(plan).toMatch(new RegExp(`SEARCH ${table.source} USING .*(INDEX|KEY)`));
      expect(plan).not.toMatch(new RegExp(`SCAN ${table.source}( |$)`, 'm'));
    } else {
      expect(plan).toMatch(/Index (Only )?Scan/);
    }
  }

  it('look chunks up by their key', async () => {
    const [find] = await plansOf((sql) => chunks.findChunks(sql, 1, keys));
    const [places] = await plansOf((sql) => chunks.findPlaces(sql, 1, keys));
    const [placed] = await plansOf((sql) => chunks.findPlaced(sql, 1, keys));
    for (const plan of [find, places, placed]) {
      expectSearch(plan!, /c/);
      expect(plan).toMatch(/chunks_key/);
      expect(plan).not.toMatch(/Seq Scan on chunks/);
    }
    const [elsewhere] = await plansOf((sql) => chunks.findElsewhere(sql, keys));
    expectSearch(elsewhere!, /c/);
    expect(elsewhere).toMatch(/chunks_key/);
  });

  it('read what a domain has in a pack by the pack', async () => {
    const ofOnePack = Array.from({ length: IN_SECOND_PACK }, (_, at) => chunkKey(CHUNKS + at));
    const plans: string[] = [];
    await test.database.read((sql) => chunks.findPlaced(explainingAndRunning(sql, plans), 1, ofOnePack));
    const [, count, pack, ...others] = plans;
    expect(others).toEqual([]);
    for (const plan of [count, pack]) {
      expectSearch(plan!, /chunks/);
      expect(plan).toMatch(/chunks_pack/);
    }
  });

  it('begin with what is asked for, not with the packs that are live', async () => {
    // On PostgreSQL that is for the planner to weigh, and it has few packs here.
    if (test.dialect !== 'sqlite') return;
    const [[elsewhere], [share], [bury]] = [
      await plansOf((sql) => chunks.findElsewhere(sql, keys)),
      await plansOf((sql) => new PacksRepository().lockLiveForShare(sql, [1, 2])),
      await plansOf((sql) => new ReclaimRepository().bury(sql, [1, 2])),
    ];
    for (const plan of [elsewhere, share, bury]) expect(plan).toMatch(/SEARCH p USING INTEGER PRIMARY KEY/);
  });

  it('go down lists and lock rows by number', async () => {
    const [lists, lock] = await plansOf((sql) => chunks.reviveChunks(sql, [1, 2, 3]));
    expectSearch(lists!, /r/);
    expectSearch(lists!, /c/);
    expectSearch(lock!, /c/);
    for (const plan of [lists, lock]) expect(plan).not.toMatch(/Seq Scan on (chunks|list_refs)/);
  });

  it('list a directory by its names and then by path number', async () => {
    const [plan] = await plansOf((sql) =>
      sql.all(
        `select p.no, p.name, v.entry from paths p join file_versions v on v.task_no = p.task_no and v.path_no = p.no
         where p.task_no = ? and p.parent_no = ? and p.name > ? and v.first_run <= ? and (v.last_run is null or v.last_run > ?)
         order by p.name limit 1000`,
        [1, 7, Buffer.alloc(0), 5, 5],
      ),
    );
    expectSearch(plan!, /p/);
    expectSearch(plan!, /v/);
    expect(plan).toMatch(/paths_child/);
    expect(plan).not.toMatch(/Seq Scan/);
  });
});
