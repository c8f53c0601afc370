import { tmpdir } from 'node:os';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { MemoryStorage } from './memory.storage';
import { RepositoryIdentity } from './repository-identity';
import type { Storage } from './storage';
import { packKey } from './storage.contract';

eachDatabase('RepositoryIdentity', (open) => {
  let db: TestDatabase;
  let storage: MemoryStorage;
  beforeEach(async () => {
    db = await open();
    storage = new MemoryStorage(tmpdir());
  });
  const verify = (on: Storage = storage) => new RepositoryIdentity(db.database, on).verify();
  const refused = { code: 'storage-unavailable' };

  it('gives a new repository an id and finds it again', async () => {
    const id = await verify();
    expect(JSON.parse((await storage.get('repository.json')).toString())).toEqual({ id, format: 1 });
    expect(await verify()).toBe(id);
  });

  it('refuses an empty database on used storage, and changes nothing', async () => {
    await verify();
    db = await open();
    await expect(verify()).rejects.toMatchObject(refused);
    await expect(verify()).rejects.toMatchObject(refused);
  });

  it('refuses an empty database on storage that has packs but no identity', async () => {
    await storage.put(packKey(1), { bytes: Buffer.from('x') });
    await expect(verify()).rejects.toMatchObject(refused);
    expect(await storage.stat('repository.json')).toBeNull();
  });

  it("refuses another repository's storage", async () => {
    await verify();
    await storage.put('repository.json', {
      bytes: Buffer.from('{"id":"00000000-0000-4000-8000-000000000000","format":1}'),
    });
    await expect(verify()).rejects.toMatchObject(refused);
  });

  it('refuses storage whose identity is gone, instead of writing a new one (a disk that is not mounted)', async () => {
    await verify();
    const notMounted = new MemoryStorage(tmpdir());
    await expect(verify(notMounted)).rejects.toMatchObject(refused);
    expect(await notMounted.stat('repository.json')).toBeNull();
  });

  it.each(['', '{', '{"id":7,"format":1}', '{"id":"00000000-0000-4000-8000-000000000000","format":2}'])(
    'refuses the identity %j',
    async (text) => {
      await verify();
      await storage.put('repository.json', { bytes: Buffer.from(text) });
      await expect(verify()).rejects.toMatchObject({ code: 'corrupt' });
    },
  );

  it('goes on after a first start that died at any point', async () => {
    const dying: Storage = Object.assign(Object.create(storage) as Storage, {
      put: () => Promise.reject(new Error('killed before the put')),
    });
    await expect(verify(dying)).rejects.toThrow('killed');
    const id = await verify();
    await db.database.write('settings.set', (tx) => tx.run("delete from settings where name = 'repository_written'"));
    expect(await verify()).toBe(id);
  });

  it('makes an identity durable whose put may have been cut off, before it relies on it', async () => {
    const id = await verify();
    await db.database.write('settings.set', (tx) => tx.run("delete from settings where name = 'repository_written'"));
    const put = jest.spyOn(storage, 'put');
    expect(await verify()).toBe(id);
    expect(put.mock.calls.map(([key]) => key)).toEqual(['repository.json']);
    expect(await verify()).toBe(id);
    expect(put).toHaveBeenCalledTimes(1);
  });

  it('never writes over the identity of another server whose first start came in between', async () => {
    const other = { bytes: Buffer.from('{"id":"00000000-0000-4000-8000-000000000000","format":1}') };
    let looks = 0;
    const shared: Storage = Object.assign(Object.create(storage) as Storage, {
      stat: async (key: string) => {
        looks += 1;
        if (looks > 1) await storage.put('repository.json', other);
        return storage.stat(key);
      },
    });
    await expect(verify(shared)).rejects.toMatchObject(refused);
    expect((await storage.get('repository.json')).equals(other.bytes)).toBe(true);
  });

  it('lets several servers make the first start at once', async () => {
    const ids = await Promise.all([verify(), verify(), verify()]);
    expect(new Set(ids).size).toBe(1);
    expect(JSON.parse((await storage.get('repository.json')).toString())).toEqual({ id: ids[0], format: 1 });
  });
});
