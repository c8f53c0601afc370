import { eachDatabase, type TestDatabase } from '../database/testing';
import { explaining } from '../database/plans.testing';
import { LogsRepository } from './logs.repository';

const ALL: Parameters<LogsRepository['highest']>[1] = { ownerNo: null, client: '' };

eachDatabase('the lines of all clients', (open) => {
  let db: TestDatabase;
  const logs = new LogsRepository();

  beforeEach(async () => {
    db = await open();
    await db.database.write('clients.register', async (tx) => {
      await tx.run('insert into domains (no, created_at) values (1, 0)');
      for (const no of [1, 2]) {
        await tx.run(
          `insert into users (no, id, username, password_hash, role, domain_no, state, created_at)
           values (?, ?, ?, '', 'user', 1, 'active', 0)`,
          [no, `u${no}`, `user ${no}`],
        );
        await tx.run(
          `insert into clients (no, id, owner_no, domain_no, name, secret_hash, state, created_at)
           values (?, ?, ?, 1, ?, ?, 'active', 0)`,
          [no, `c${no}`, no, `PC_${no}`, Buffer.alloc(32)],
        );
      }
      for (const [clientNo, level, message] of [
        [1, 1, 'one'],
        [2, 3, 'Two of Übung'],
        [1, 3, '3%'],
      ] as const) {
        await logs.insert(tx, clientNo, [{ at: 0, level, message, runId: null }]);
      }
    });
  });

  const highest = (scope = ALL, before: number | null = null): Promise<number | null> =>
    db.database.read((sql) => logs.highest(sql, scope, before));
  const found = async (scope = ALL, filter: { level?: number; search?: string; above?: number } = {}) => {
    const range = { ...{ level: 0, search: '', above: 0, upTo: 100, limit: 10 }, ...filter };
    return (await db.database.read((sql) => logs.range(sql, scope, range))).map(({ no, client }) => `${no} ${client}`);
  };

  it('are those of an owner, and of clients whose name holds a text', async () => {
    expect([await highest(), await highest(ALL, 3), await highest(ALL, 1)]).toEqual([3, 2, null]);
    const second = { ownerNo: 2, client: '' };
    expect([await highest(second), await highest(second, 2)]).toEqual([2, null]);
    expect([await highest({ ownerNo: null, client: 'pc_1' }), await highest({ ownerNo: 1, client: 'pc_2' })]).toEqual([
      3,
      null,
    ]);
    expect(await found()).toEqual(['3 PC_1', '2 PC_2', '1 PC_1']);
    expect(await found(second)).toEqual(['2 PC_2']);
    expect(await found({ ownerNo: null, client: '%' })).toEqual([]);
  });

  it('are found by level, words and place', async () => {
    expect(await found(ALL, { level: 2 })).toEqual(['3 PC_1', '2 PC_2']);
    expect(await found(ALL, { search: 'TWO' })).toEqual(['2 PC_2']);
    for (const search of ['OF Übung', 'of übung', 'ÜBUNG']) expect(await found(ALL, { search })).toEqual(['2 PC_2']);
    expect(await found(ALL, { search: '%' })).toEqual(['3 PC_1']);
    expect(await found(ALL, { above: 2 })).toEqual(['3 PC_1']);
  });

  it('are not read from end to end', async () => {
    if (db.dialect !== 'sqlite') return;
    const plans: string[] = [];
    await db.database.read(async (sql) => {
      const told = explaining(sql, plans);
      await logs.highest(told, ALL, 3);
      await logs.highest(told, { ownerNo: 1, client: '' }, 3);
      await logs.range(told, { ownerNo: 1, client: 'x' }, { level: 1, search: 'x', above: 1, upTo: 3, limit: 9 });
    });
    expect(plans).toHaveLength(3);
    for (const plan of plans) expect(plan).toMatch(/SEARCH l USING .*\(.*(no|rowid)[<>]/);
  });
});
