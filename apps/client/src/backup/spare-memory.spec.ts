import { SpareMemory } from './spare-memory';

const MIB = 1024 * 1024;

describe('SpareMemory', () => {
  let forgotten: Buffer[];
  let memory: SpareMemory;
  beforeEach(() => {
    forgotten = [];
    memory = new SpareMemory(16 * MIB, (piece) => void forgotten.push(piece));
  });

  it('uses a piece again that was given back, and makes another while there is none', () => {
    const first = memory.take();
    expect(first).toHaveLength(16 * MIB);
    const second = memory.take();
    expect(second).not.toBe(first);
    memory.giveBack(first, MIB);
    expect(memory.take()).toBe(first);
  });

  it('makes a longer piece for who needs more than a spare one has', () => {
    memory.giveBack(memory.take(), MIB);
    expect(memory.take(17 * MIB)).toHaveLength(17 * MIB);
    expect(memory.take(MIB)).toHaveLength(16 * MIB);
  });

  it('gives the pages of a piece back when far less of it was needed lately, and only then', () => {
    const piece = memory.take();
    for (const usedBytes of [16 * MIB, 16 * MIB, 13 * MIB]) {
      memory.giveBack(memory.take(), usedBytes);
      expect(forgotten).toEqual([]);
      expect(memory.take()).not.toBe(piece);
    }
    memory.giveBack(piece, 16 * MIB);
    memory.giveBack(memory.take(), 12 * MIB);
    expect(forgotten).toEqual([piece]);
    // It has no pages now: a little that is touched is no reason to do it again.
    memory.giveBack(memory.take(), 3 * MIB);
    memory.giveBack(memory.take(), 0);
    expect(forgotten).toEqual([piece]);
  });

  it('goes on without the system', () => {
    const plain = new SpareMemory(16 * MIB, null);
    const piece = plain.take();
    plain.giveBack(piece, 16 * MIB);
    plain.giveBack(plain.take(), 0);
    expect(plain.take()).toBe(piece);
  });
});
