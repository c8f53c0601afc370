import { createCipheriv, createHash } from 'node:crypto';

/** A repeatable source of choices: the same label gives the same ones on every machine (mulberry32). */
export class Random {
  #state;

  /** @param {string} label says what it is for, the seed included */
  constructor(label) {
    this.#state = createHash('sha256').update(label).digest().readUInt32LE();
  }

  /** From 0 up to, and not including, 1. */
  fraction() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(count) {
    return Math.floor(this.fraction() * count);
  }

  happens(probability) {
    return this.fraction() < probability;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  /** Sizes as file systems have them: as many between 1 and 2 KiB as between 4 and 8. */
  logUniform(least, most) {
    return Math.floor(least * (most / least) ** this.fraction());
  }

  hex(digits) {
    let text = '';
    while (text.length < digits)
      text += Math.floor(this.fraction() * 0x100000000)
        .toString(16)
        .padStart(8, '0');
    return text.slice(0, digits);
  }

  /** Takes so many of the list, without taking one twice; the list's order is kept. */
  sample(list, count) {
    const taken = new Set();
    while (taken.size < Math.min(count, list.length)) taken.add(this.below(list.length));
    return [...taken].sort((a, b) => a - b).map((index) => list[index]);
  }
}

/** Bytes that no compressor makes smaller, the same for the same label: the key stream of AES-256 in counter mode. */
export class Noise {
  #cipher;

  constructor(label) {
    const key = createHash('sha256').update(label).digest();
    this.#cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  }

  bytes(count) {
    return this.#cipher.update(Buffer.alloc(count));
  }
}
