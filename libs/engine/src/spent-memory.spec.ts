import { freeMemory, freePiece } from './spent-memory';

describe('freeMemory', () => {
  it('takes the memory away from a buffer, and from every view of it', () => {
    const bytes = Buffer.alloc(1024 * 1024, 7);
    const view = bytes.subarray(3, 9);
    freeMemory(bytes);
    expect([bytes.length, view.length]).toEqual([0, 0]);
    expect(bytes.buffer.byteLength).toBe(0);
  });

  it('leaves what lies in the memory that small buffers share', () => {
    const small = Buffer.from('small');
    const neighbour = Buffer.from('neighbour');
    freeMemory(small);
    expect([small.toString(), neighbour.toString()]).toEqual(['small', 'neighbour']);
  });

  it('does nothing to what is free already', () => {
    const bytes = Buffer.allocUnsafeSlow(300_000);
    freeMemory(bytes);
    freeMemory(bytes);
    expect(bytes.length).toBe(0);
  });

  it('takes the memory of a small piece away when nothing else is in it', () => {
    const own = Buffer.from(new ArrayBuffer(100));
    const shared = Buffer.from('shared');
    freePiece(own);
    freePiece(shared);
    expect([own.length, shared.toString()]).toEqual([0, 'shared']);
  });
});
