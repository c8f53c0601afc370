import { collect, cuts, damageOfAsync, flips, inPieces } from '../golden/damage';
import { golden } from '../golden/golden';
import { CorruptError } from './errors';
import {
  encodeRemovalHeader,
  encodeRemovedVersion,
  openRemoval,
  type RemovalHeader,
  removalKey,
  type RemovedVersion,
} from './removal';
import { RecordStreamEncoder } from './record-stream';

const header: RemovalHeader = {
  removalId: '01234567-89ab-4cde-8f01-23456789abcd',
  taskId: 'ffffffff-ffff-4fff-bfff-ffffffffffff',
  number: 7,
  decidedMs: 1_764_000_000_123,
  cause: 'forget',
};
const versions: RemovedVersion[] = [
  { path: Buffer.from('/home/f\xff', 'latin1'), firstRun: 1, lastRun: 3, joinsRun: null },
  { path: Buffer.from('/home'), firstRun: 2, lastRun: 4, joinsRun: 4 },
  { path: Buffer.from('/'), firstRun: 9, lastRun: null, joinsRun: null },
];

function encode(records: readonly RemovedVersion[]): Buffer {
  const encoder = new RecordStreamEncoder('removal');
  const parts = [
    encoder.add(encodeRemovalHeader(header)),
    ...records.map((one) => encoder.add(encodeRemovedVersion(one))),
  ];
  return Buffer.concat([...parts.filter((part) => part !== null), encoder.finish()]);
}

async function read(bytes: Buffer): Promise<{ header: RemovalHeader; records: RemovedVersion[] }> {
  const removal = await openRemoval(inPieces(bytes), 'removal');
  return { header: removal.header, records: await collect(removal.records) };
}

describe('a removal record', () => {
  const file = encode(versions);

  it('is written as it always was', async () => {
    expect(file).toEqual(golden('removal.bin', () => file));
    expect(await read(file)).toEqual({ header, records: versions });
  });

  it('has a key by task, number and id', () => {
    expect(removalKey(header.taskId, 7, header.removalId)).toBe(`tasks/${header.taskId}/removed-7-${header.removalId}`);
  });

  it('tells every damage', async () => {
    for (const bytes of [...cuts(file), ...[...flips(file)].map(({ damaged }) => damaged)])
      expect(await damageOfAsync(() => read(bytes))).not.toBeNull();
  });

  it.each<[string, Partial<RemovedVersion>]>([
    ['of run 0', { firstRun: 0 }],
    ['that ended before it began', { lastRun: 1, firstRun: 2 }],
    ['that joins an earlier one', { firstRun: 2, lastRun: 5, joinsRun: 4 }],
  ])('refuses a version %s', async (_, parts) => {
    await expect(read(encode([{ ...versions[0]!, ...parts }]))).rejects.toThrow(CorruptError);
  });
});
