import { closeSync, ftruncateSync, futimesSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Noise } from './random.mjs';
import { kinds } from './text.mjs';

const PAGE = 4_096;
const IMAGE = 'system.img';
const pages = (bytes) => Math.ceil(bytes / PAGE) * PAGE;

export const diskImage = {
  name: 'disk-image',
  title: 'A disk image, half of it holes',

  make(folder, random, { imageBytes }) {
    const noise = new Noise(`disk image ${random.hex(8)}`);
    const file = openSync(join(folder, IMAGE), 'wx');
    ftruncateSync(file, imageBytes);
    for (let at = 0; at < imageBytes;) {
      const bytes = pages(random.logUniform(16 * 1_024, 8 * 1_024 * 1_024));
      const extent = makeExtent(random, noise, Math.min(bytes, imageBytes - at));
      writeSync(file, extent, 0, extent.length, at);
      at += bytes + pages(random.logUniform(16 * 1_024, 8 * 1_024 * 1_024));
    }
    closeSync(file);
  },

  /** What a running system changes: pages here and there, and new files where nothing was. */
  change(folder, random, { imageBytes }) {
    const noise = new Noise(`disk image changed ${random.hex(8)}`);
    const file = openSync(join(folder, IMAGE), 'r+');
    for (let changed = 0; changed < imageBytes / 100;) {
      const bytes = pages(random.logUniform(PAGE, 1_024 * 1_024));
      const extent = makeExtent(random, noise, bytes);
      writeSync(file, extent, 0, bytes, PAGE * random.below((imageBytes - bytes) / PAGE));
      changed += bytes;
    }
    // Through a mapping or a block device the time need not change; through a write it does, and engines rely on it.
    const now = Date.now() / 1_000;
    futimesSync(file, now, now);
    closeSync(file);
  },
};

/** Text, tables of records, what is compressed already, and zeros that were written. */
function makeExtent(random, noise, bytes) {
  switch (random.below(8)) {
    case 0:
    case 1:
      return noise.bytes(bytes);
    case 2:
      return Buffer.alloc(bytes);
    case 3:
    case 4:
      return makeRecords(random, bytes);
    default:
      return Buffer.from(kinds[random.pick(['prose', 'code', 'log', 'json'])](random, bytes).slice(0, bytes));
  }
}

/** Like inodes and indexes: 32 bytes each, fields that rise, repeat or are random. */
function makeRecords(random, bytes) {
  const records = Buffer.alloc(bytes);
  for (let at = 0; at + 32 <= bytes; at += 32) {
    records.writeUInt32LE(at / 32, at);
    records.writeUInt32LE(random.below(3), at + 4);
    records.writeUInt32LE(1_700_000_000 + random.below(10_000_000), at + 8);
    records.writeUInt32LE(random.below(0x100000000), at + 16);
  }
  return records;
}
