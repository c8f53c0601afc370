import fc from 'fast-check';
import { cuts, damageOf, otherForms } from '../golden/damage';
import { golden } from '../golden/golden';
import { arbitraryDetection, SAMPLE_DETECTION } from '../golden/records';
import { decodeDetection, encodeDetection } from './detection';
import { CorruptError, InvalidError } from './errors';

describe('detection data', () => {
  it('are written as they always were', () => {
    const bytes = encodeDetection(SAMPLE_DETECTION);
    const frozen = golden('detection.bin', () => bytes);
    expect(bytes).toEqual(frozen);
    expect(decodeDetection(frozen, 'golden')).toEqual(SAMPLE_DETECTION);
  });

  it('come back as they were, in one form only', () => {
    fc.assert(
      fc.property(arbitraryDetection, (detection) => {
        const bytes = encodeDetection(detection);
        expect(decodeDetection(bytes, 'detection')).toEqual(detection);
        for (const { bytes: other } of otherForms(bytes)) {
          expect(damageOf(() => decodeDetection(other, 'detection'))).toBeInstanceOf(CorruptError);
        }
        for (const cut of cuts(bytes)) expect(() => decodeDetection(cut, 'detection')).toThrow(CorruptError);
      }),
    );
  });

  it('know two flags', () => {
    const bytes = encodeDetection(SAMPLE_DETECTION);
    bytes[bytes.length - 1] = 4;
    expect(() => decodeDetection(bytes, 'detection')).toThrow(CorruptError);
    expect(() => encodeDetection({ ...SAMPLE_DETECTION, inode: -1n })).toThrow(InvalidError);
  });
});
