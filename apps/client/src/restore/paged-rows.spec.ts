import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { PagedRows } from './paged-rows';
import { createSpools } from './spool-file';

const ROW_BYTES = 4;

function row(value: number): Buffer {
  const bytes = Buffer.alloc(ROW_BYTES);
  bytes.writeUInt32LE(value);
  return bytes;
}

describe('PagedRows', () => {
  it('shows every row as it was appended or replaced last, with more pages than it keeps', () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-rows-'));
    const step = fc.record({
      what: fc.constantFrom('append', 'replace', 'look'),
      index: fc.nat(),
      value: fc.nat(0xffff_ffff),
    });
    fc.assert(
      fc.property(fc.constantFrom(3, 700, 80_000), fc.array(step, { maxLength: 600 }), (first, steps) => {
        const { rows: file } = createSpools(directory, ['rows']);
        const rows = new PagedRows(file, ROW_BYTES);
        const model: number[] = [];
        const append = (value: number): void => {
          file.append(row(value));
          model.push(value);
        };
        for (let index = 0; index < first; index++) append(index);
        for (const { what, index, value } of steps) {
          const at = index % model.length;
          if (what === 'append') append(value);
          else if (what === 'replace') {
            rows.replace(at, row(value));
            model[at] = value;
          } else if (rows.page(at).readUInt32LE(rows.offset(at)) !== model[at]) return false;
        }
        const isSame = model.every((value, index) => rows.page(index).readUInt32LE(rows.offset(index)) === value);
        file.close();
        return isSame;
      }),
      { numRuns: 40 },
    );
    rmSync(directory, { recursive: true });
  });

  it('takes memory for the pages that it keeps, however many it looks at', () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-rows-'));
    const { rows: file } = createSpools(directory, ['rows']);
    const rows = new PagedRows(file, ROW_BYTES);
    const count = 512 * 500;
    for (let value = 0; value < count; value++) file.append(row(value));
    const allocations = [jest.spyOn(Buffer, 'allocUnsafeSlow'), jest.spyOn(Buffer, 'allocUnsafe')];
    for (let turn = 0; turn < 3; turn++) {
      for (let index = turn; index < count; index += 512) {
        expect(rows.page(index).readUInt32LE(rows.offset(index))).toBe(index);
      }
    }
    expect(allocations.flatMap(({ mock }) => mock.calls).length).toBeLessThan(70);
    for (const each of allocations) each.mockRestore();
    file.close();
    rmSync(directory, { recursive: true });
  });
});
