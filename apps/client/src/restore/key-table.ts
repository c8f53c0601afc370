import { randomBytes } from 'node:crypto';
import { type ChunkKey, ID_BYTES } from '#engine';

const FIRST_SLOT_BITS = 9;
const FIRST_KEYS = 2 ** (FIRST_SLOT_BITS - 1);
/** Nobody's to know: whoever makes up ids, as a server may, must not make a restore of them slow. */
const SECRET = randomBytes(4).readUInt32LE(0);
/** Odd; Knuth's for multiplicative hashing. */
const MULTIPLIER = 0x9e37_79b1;

/**
 * Chunk keys, each once, numbered from 0 as they were added. Bytes and numbers, no object for each: thousands of them live just long
 * enough to get into V8's old generation, which a restore would fill with them again and again.
 */
export class KeyTable {
  private keys = 0;
  private ids = Buffer.allocUnsafeSlow(FIRST_KEYS * ID_BYTES);
  private heights = new Uint8Array(FIRST_KEYS);
  /**
   * Where each stands, by all of its id, else in the next free slot: its number + 1; 0: free. At most half are taken.
   */
  private slotBits = FIRST_SLOT_BITS;
  private slots = new Uint32Array(2 ** FIRST_SLOT_BITS);

  get count(): number {
    return this.keys;
  }

  /** Its number; undefined: it was not added. */
  find(key: ChunkKey): number | undefined {
    const taken = this.slots[this.slotOf(key)] as number;
    return taken === 0 ? undefined : taken - 1;
  }

  /** The number that it has, or gets now. */
  add(key: ChunkKey): number {
    if (this.keys === this.heights.length) this.grow();
    const slot = this.slotOf(key);
    const taken = this.slots[slot] as number;
    if (taken > 0) return taken - 1;
    const number = this.keys;
    this.keys += 1;
    this.slots[slot] = this.keys;
    this.heights[number] = key.height;
    this.ids.set(key.id, number * ID_BYTES);
    return number;
  }

  /** The id is a view that holds until {@link KeyTable.add} or {@link KeyTable.clear}. */
  at(number: number): ChunkKey {
    if (number >= this.keys) throw new RangeError(`key ${number} of ${this.keys}`);
    return {
      id: this.ids.subarray(number * ID_BYTES, (number + 1) * ID_BYTES),
      height: this.heights[number] as number,
    };
  }

  /** Empties it, for other keys. */
  clear(): void {
    this.keys = 0;
    this.slots.fill(0);
  }

  /** The slot that holds the key, or the one to put it into. */
  private slotOf({ id, height }: ChunkKey): number {
    const { slots, heights, ids } = this;
    const mask = slots.length - 1;
    for (let slot = mixed(id) >>> (32 - this.slotBits); ; slot = (slot + 1) & mask) {
      const taken = slots[slot] as number;
      if (taken === 0) return slot;
      const at = (taken - 1) * ID_BYTES;
      if (heights[taken - 1] === height && ids.compare(id, 0, ID_BYTES, at, at + ID_BYTES) === 0) return slot;
    }
  }

  private grow(): void {
    const old = { ids: this.ids, heights: this.heights };
    this.ids = Buffer.allocUnsafeSlow(2 * old.ids.length);
    this.ids.set(old.ids);
    this.heights = new Uint8Array(2 * old.heights.length);
    this.heights.set(old.heights);
    this.slotBits += 1;
    this.slots = new Uint32Array(2 ** this.slotBits);
    for (let number = 0; number < this.keys; number += 1) this.slots[this.slotOf(this.at(number))] = number + 1;
  }
}

function mixed(id: Buffer): number {
  let mix = SECRET;
  for (let at = 0; at < ID_BYTES; at += 4) {
    mix = Math.imul(mix ^ id.readUInt32LE(at), MULTIPLIER);
    mix ^= mix >>> 15;
  }
  return Math.imul(mix, MULTIPLIER);
}
