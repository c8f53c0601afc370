import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Storage, StoredObject } from './storage';
import { MAX_GET_BYTES } from './storage';

/** A storage for one test; its directory (if any) goes with `close`. */
export interface TestStorage {
  readonly storage: Storage;
  close(): Promise<void>;
}

const RUN_ID = '3f0a2f9e-7f0c-4a36-9c6e-0f4f8e1d2b11';
export const packKey = (n: number) =>
  `packs/${(n % 256).toString(16).padStart(2, '0')}/00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const manifestKey = `tasks/${RUN_ID}/run-1-${RUN_ID}`;
const voidKey = `tasks/${RUN_ID}/void-1-${RUN_ID}`;

/** The suite that every backend of the storage port must pass. */
export function describeStorageContract(name: string, open: () => Promise<TestStorage>): void {
  describe(`storage contract: ${name}`, () => {
    let opened: TestStorage;
    let storage: Storage;
    let scratch: string;

    beforeEach(async () => {
      opened = await open();
      storage = opened.storage;
      scratch = await mkdtemp(join(tmpdir(), 'holdfast-storage-contract-'));
      await storage.put('repository.json', { bytes: Buffer.from('{}') });
    });
    afterEach(async () => {
      await opened.close();
      await rm(scratch, { recursive: true, force: true });
    });

    const listed = async (prefix: string): Promise<StoredObject[]> => {
      const objects: StoredObject[] = [];
      for await (const object of storage.list(prefix)) objects.push(object);
      return objects;
    };

    it.each([0, 1, 70_000, 3_000_000])('gives back the %d bytes that were put', async (length) => {
      const bytes = randomBytes(length);
      await storage.put(packKey(1), { bytes });
      expect((await storage.get(packKey(1))).equals(bytes)).toBe(true);
      expect(await storage.stat(packKey(1))).toEqual({ length });
    });

    it('stores a file and leaves it for its owner to remove', async () => {
      const file = join(scratch, 'body');
      const bytes = randomBytes(100_000);
      await writeFile(file, bytes);
      await storage.put(packKey(2), { file, length: bytes.length });
      await storage.put(packKey(3), { file, length: bytes.length });
      expect((await readFile(file)).equals(bytes)).toBe(true);
      await rm(file);
      expect((await storage.get(packKey(2))).equals(bytes)).toBe(true);
      expect((await storage.get(packKey(3))).equals(bytes)).toBe(true);
    });

    it('refuses a file whose length is not the one announced, and stores nothing', async () => {
      const file = join(scratch, 'body');
      await writeFile(file, 'four');
      await expect(storage.put(packKey(4), { file, length: 5 })).rejects.toMatchObject({ code: 'invalid' });
      await expect(storage.put(packKey(4), { file, length: 3 })).rejects.toMatchObject({ code: 'invalid' });
      expect(await storage.stat(packKey(4))).toBeNull();
    });

    it('leaves the old object when a put fails', async () => {
      await storage.put(packKey(4), { bytes: Buffer.from('old') });
      await expect(storage.put(packKey(4), { file: join(scratch, 'absent'), length: 5 })).rejects.toMatchObject({
        code: 'storage-unavailable',
      });
      expect((await storage.get(packKey(4))).toString()).toBe('old');
    });

    it('replaces an object', async () => {
      await storage.put(voidKey, { bytes: Buffer.from('first, longer') });
      await storage.put(voidKey, { bytes: Buffer.from('second') });
      expect((await storage.get(voidKey)).toString()).toBe('second');
    });

    it('gives one whole body when two puts of a key race', async () => {
      const bodies = [Buffer.alloc(500_000, 'a'), Buffer.alloc(400_000, 'b')] as const;
      await Promise.all(bodies.map((bytes) => storage.put(packKey(5), { bytes })));
      const stored = await storage.get(packKey(5));
      expect(bodies.some((bytes) => bytes.equals(stored))).toBe(true);
    });

    it('reads exactly the range asked for', async () => {
      await storage.put(packKey(6), { bytes: Buffer.from('0123456789') });
      expect((await storage.get(packKey(6), { offset: 3, length: 4 })).toString()).toBe('3456');
      expect((await storage.get(packKey(6), { offset: 9, length: 1 })).toString()).toBe('9');
      expect(await storage.get(packKey(6), { offset: 10, length: 0 })).toHaveLength(0);
    });

    it.each([
      { offset: 8, length: 3 },
      { offset: 11, length: 0 },
      { offset: -1, length: 2 },
    ])('reports an object too short for $offset+$length as corrupt', async (range) => {
      await storage.put(packKey(6), { bytes: Buffer.from('0123456789') });
      await expect(storage.get(packKey(6), range)).rejects.toMatchObject({ code: 'corrupt' });
    });

    it('refuses to hand out more than a pack at once', async () => {
      await storage.put(packKey(6), { bytes: Buffer.from('0123456789') });
      const range = { offset: 0, length: MAX_GET_BYTES + 1 };
      await expect(storage.get(packKey(6), range)).rejects.toMatchObject({ code: 'too-large' });
    });

    it('hands out bytes that the reader may change without changing the object', async () => {
      await storage.put(packKey(6), { bytes: Buffer.from('0123456789') });
      (await storage.get(packKey(6))).fill(0);
      expect((await storage.get(packKey(6))).toString()).toBe('0123456789');
    });

    it('streams an object', async () => {
      const bytes = randomBytes(1_000_000);
      await storage.put(manifestKey, { bytes });
      const parts: Buffer[] = [];
      for await (const part of await storage.stream(manifestKey)) parts.push(part as Buffer);
      expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    });

    it('proves absence', async () => {
      await expect(storage.get(packKey(7))).rejects.toMatchObject({ code: 'object-missing' });
      await expect(storage.get(packKey(7), { offset: 0, length: 1 })).rejects.toMatchObject({ code: 'object-missing' });
      await expect(storage.stream(packKey(7))).rejects.toMatchObject({ code: 'object-missing' });
      expect(await storage.stat(packKey(7))).toBeNull();
    });

    it('deletes, and deletes again without complaint', async () => {
      await storage.put(packKey(8), { bytes: Buffer.from('x') });
      await storage.delete(packKey(8));
      await storage.delete(packKey(8));
      expect(await storage.stat(packKey(8))).toBeNull();
      await expect(storage.get(packKey(8))).rejects.toMatchObject({ code: 'object-missing' });
    });

    it('lists objects by prefix, in the order of their keys, with their lengths', async () => {
      const keys = [
        ...Array.from({ length: 300 }, (_, n) => packKey(n)),
        manifestKey,
        voidKey,
        'repository.json',
      ].sort();
      for (const key of [...keys].reverse()) await storage.put(key, { bytes: Buffer.from(key) });
      expect(await listed('')).toEqual(keys.map((key) => ({ key, length: key.length })));
      expect((await listed('packs/0a')).map(({ key }) => key)).toEqual([packKey(10), packKey(266)].sort());
      expect((await listed('packs/0a/')).map(({ key }) => key)).toEqual([packKey(10), packKey(266)].sort());
      expect((await listed(packKey(10))).map(({ key }) => key)).toEqual([packKey(10)]);
      expect((await listed(`tasks/${RUN_ID}/run-`)).map(({ key }) => key)).toEqual([manifestKey]);
      expect((await listed('rep')).map(({ key }) => key)).toEqual(['repository.json']);
      expect(await listed('packs/zz')).toEqual([]);
    });

    it.each([
      '',
      '/',
      '/etc/passwd',
      '..',
      '../outside',
      'packs/../../outside',
      'packs/../repository.json',
      `packs/00/../${RUN_ID}`,
      `packs//${RUN_ID}`,
      `packs/00/${RUN_ID}/`,
      `packs/00/${RUN_ID}\n`,
      `packs/00/${RUN_ID}\0`,
      `packs/00/${RUN_ID.toUpperCase()}`,
      `packs\\00\\${RUN_ID}`,
      `/packs/00/${RUN_ID}`,
      'packs',
      'tmp/put-1',
      'holdfast.sqlite',
      'secret-key',
    ])('refuses the key %j in every call', async (key) => {
      const refused = { code: 'invalid' };
      await expect(storage.put(key, { bytes: Buffer.from('x') })).rejects.toMatchObject(refused);
      await expect(storage.get(key)).rejects.toMatchObject(refused);
      await expect(storage.stream(key)).rejects.toMatchObject(refused);
      await expect(storage.stat(key)).rejects.toMatchObject(refused);
      await expect(storage.delete(key)).rejects.toMatchObject(refused);
    });

    it.each(['..', '/', '../', 'packs/../', 'Packs', 'packs/\0'])('refuses the prefix %j', async (prefix) => {
      await expect(listed(prefix)).rejects.toMatchObject({ code: 'invalid' });
    });
  });
}
