import { collect, cuts, damageOfAsync, flips, inPieces } from '../golden/damage';
import { golden } from '../golden/golden';
import { type ConfigHeader, configKey, configNumber, encodeConfigHeader, openConfigExport } from './config-export';
import { type ConfigRecord, encodeConfigRecord } from './config-record';
import { CorruptError, InvalidError } from './errors';
import { RecordStreamEncoder } from './record-stream';

const header: ConfigHeader = {
  repositoryId: '01234567-89ab-4cde-8f01-23456789abcd',
  number: 12,
  madeMs: 1_795_000_000_123,
};
const policy = {
  retentionKind: 'versions',
  retentionVersions: 9,
  retentionDays: null,
  deletedDays: 180,
  keepLast: null,
  keepHourly: null,
  keepDaily: null,
  keepWeekly: null,
  keepMonthly: null,
  keepYearly: null,
};
const records: ConfigRecord[] = [
  { kind: 'pin', row: { id: 'p', task: 't', run: 'r', holder: 'u', note: 'für "immer"\n', createdMs: 1 } },
  {
    kind: 'task',
    row: {
      id: 't',
      client: 'c',
      name: 'näch\ud800t',
      origin: 'server',
      definition: '{"paths":["/"]}',
      scheduledSinceMs: 0,
      timeZone: null,
      ...policy,
      createdMs: 1,
      deletedMs: null,
      purgeAfterMs: null,
    },
  },
  {
    kind: 'client',
    row: {
      id: 'c',
      owner: 'u',
      name: 'pc',
      secretHash: 'ab'.repeat(32),
      state: 'revoked',
      domain: 1,
      labels: null,
      preCommands: null,
      ...policy,
      createdMs: 1,
      deletedMs: 2,
      purgeAfterMs: 3,
    },
  },
  {
    kind: 'token',
    row: {
      id: 'k',
      user: 'u',
      name: 'robot',
      tokenHash: 'cd'.repeat(32),
      scopes: '["read"]',
      createdMs: 1,
      expiresMs: null,
      revokedMs: 5,
    },
  },
  {
    kind: 'user',
    row: {
      id: 'u',
      username: 'ada',
      passwordHash: '$argon2id$',
      role: 'admin',
      state: 'active',
      sessionEpoch: 0,
      domain: 1,
      quotaBytes: null,
      ...policy,
      createdMs: 1,
      deletedMs: null,
      purgeAfterMs: null,
    },
  },
  { kind: 'setting', row: { name: 'protect_days', value: '{"days":7,"earlier":[]}' } },
];

function encode(encoded: readonly Buffer[], form: 'plain' | 'compressed' = 'plain'): Buffer {
  const encoder = new RecordStreamEncoder('config', form);
  const parts = [encoder.add(encodeConfigHeader(header)), ...encoded.map((bytes) => encoder.add(bytes))];
  return Buffer.concat([...parts.filter((part) => part !== null), encoder.finish()]);
}

async function read(bytes: Buffer): Promise<{ header: ConfigHeader; records: ConfigRecord[] }> {
  const opened = await openConfigExport(inPieces(bytes), 'config');
  return { header: opened.header, records: await collect(opened.records) };
}

describe('a config export', () => {
  const file = encode(records.map(encodeConfigRecord));

  it('is written as it always was', async () => {
    expect(file).toEqual(golden('config.bin', () => file));
    expect(await read(file)).toEqual({ header, records });
    expect(await read(encode(records.map(encodeConfigRecord), 'compressed'))).toEqual({ header, records });
  });

  it('has a key whose order is that of the numbers', () => {
    expect(configKey(12, header.repositoryId)).toBe(`config/0000000000000012-${header.repositoryId}`);
    expect(configNumber(configKey(12, header.repositoryId))).toBe(12);
    expect(configKey(9, 'x') < configKey(10, 'x')).toBe(true);
    expect(configNumber('packs/00/x')).toBeNull();
  });

  it('tells every damage', async () => {
    for (const bytes of [...cuts(file), ...[...flips(file)].map(({ damaged }) => damaged)])
      expect(await damageOfAsync(() => read(bytes))).not.toBeNull();
  });

  it.each([
    ['of an unknown kind', '["robot","x"]'],
    ['of a kind that every object knows', '["constructor"]'],
    ['with a field too few', '["setting","x"]'],
    ['with a field too many', '["setting","x","y","z"]'],
    ['with a field of another type', '["setting","x",1]'],
    ['in another form', '["setting", "x","y"]'],
    ['that is no array', '{"kind":"setting"}'],
    ['that is no JSON', '["setting"'],
  ])('refuses a record %s', async (_, text) => {
    await expect(read(encode([Buffer.from(text)]))).rejects.toThrow(CorruptError);
  });

  it('writes no row that it could not read', () => {
    const row = { ...records[0]!.row, createdMs: 1.5 };
    expect(() => encodeConfigRecord({ kind: 'pin', row } as ConfigRecord)).toThrow(InvalidError);
  });
});
