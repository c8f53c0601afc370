import { eachDatabase, type TestDatabase } from '../database/testing';
import { auditOn } from './audit.testing';

eachDatabase('searching the audit', (open) => {
  let db: TestDatabase;

  beforeEach(async () => {
    db = await open();
    const audit = auditOn(db.database);
    const ann = { kind: 'user', id: 'a1', name: 'Änn', address: '10.0.0.7' } as const;
    const host = { kind: 'host', id: null, name: null, address: null } as const;
    await audit.recordAlone(host, { action: 'users.create', target: { kind: 'user', id: 'a1', name: 'Änn' } });
    await audit.recordAlone(ann, { action: 'clients.change', target: { kind: 'client', id: 'c1', name: '100%' } });
    await audit.recordAlone(ann, { action: 'clients.delete', target: { kind: 'client', id: 'c1', name: '100%' } });
    await audit.recordAlone(ann, { action: 'server.log-level', details: { level: 'warn' } });
  });

  it.each([
    [{}, ['server.log-level', 'clients.delete', 'clients.change', 'users.create']],
    [{ action: 'clients.' }, ['clients.delete', 'clients.change']],
    [{ action: 'lients.' }, []],
    [{ who: 'änN' }, ['server.log-level', 'clients.delete', 'clients.change']],
    [{ who: '0.0.7', action: 'CLIENTS.D' }, ['clients.delete']],
    [{ target: '%' }, ['clients.delete', 'clients.change']],
    [{ target: 'a1' }, ['users.create']],
    [{ target: 'ÄNN' }, ['users.create']],
    [{ target: '_' }, []],
  ])('by %j', async (words, actions) => {
    const { events, next } = await auditOn(db.database).search(
      { ...{ action: '', who: '', target: '' }, ...words },
      null,
    );
    expect(events.map(({ action }) => action)).toEqual(actions);
    expect(next).toBeNull();
  });
});
