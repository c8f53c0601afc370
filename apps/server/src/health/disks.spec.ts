import { type DiskSpace, judgeDisks } from './disks';

const MIB = 1024 * 1024;
const UPLOAD = 316 * MIB;

const of = (storageMib: number, databaseMib = 10_000): DiskSpace[] => [
  { folder: 'storage', freeBytes: storageMib * MIB },
  { folder: 'database', freeBytes: databaseMib * MIB },
];

describe('the health of the disks', () => {
  it.each([
    ['is well with enough', of(2_048), { status: 'ok' }],
    ['warns before space runs out', of(2_047), { status: 'warning', detail: 'space runs out for: storage' }],
    ['still takes the largest upload in', of(316), { status: 'warning', detail: 'space runs out for: storage' }],
    [
      'says that new backups have no room, while all else goes on',
      of(315, 64),
      { status: 'warning', detail: 'too little space for new backups is left for: storage, database' },
    ],
    [
      'fails when hardly anything is left',
      of(315, 63),
      { status: 'failed', detail: 'hardly any space is left for: database' },
    ],
  ])('%s', (_rule, space, told) => {
    expect(judgeDisks(space, UPLOAD)).toEqual(told);
  });
});
