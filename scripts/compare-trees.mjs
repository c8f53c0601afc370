// Compares a folder with its restored copy: every byte and every attribute that a backup keeps.
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const PIECE_BYTES = 1024 * 1024;

const describe = (path) => JSON.stringify(path.toString('utf8'));
const join = (folder, name) => Buffer.concat([folder, Buffer.from('/'), name]);

/**
 * @param {string} source the original
 * @param {string} copy the restored one
 * @param {{ isExcluded: (path: string) => boolean, savedAtMs: number }} options paths that were not meant to be saved, and when
 *   the backup began: what changed since then cannot be judged
 * @returns {{ compared: number, differences: string[], changedSince: string[] }} without root, owners and devices are not compared
 */
export function compareTrees(source, copy, { isExcluded, savedAtMs }) {
  const isRoot = process.getuid?.() === 0;
  const attributes = attributeReader();
  const differences = [];
  const changedSince = [];
  const linksOfCopy = new Map();
  const pending = [[Buffer.from(source), Buffer.from(copy)]];
  let compared = 0;
  while (pending.length > 0) {
    const [left, right] = pending.pop();
    if (isExcluded(left.toString())) continue;
    const a = lstatSync(left, { bigint: true });
    if (a.isSocket() || (!isRoot && (a.isBlockDevice() || a.isCharacterDevice()))) continue;
    const isChanged = a.ctimeNs >= BigInt(savedAtMs) * 1_000_000n;
    if (isChanged) changedSince.push(describe(left));
    let b;
    try {
      b = lstatSync(right, { bigint: true });
    } catch {
      if (!isChanged) differences.push(`${describe(left)} was not restored`);
      continue;
    }
    if (isChanged) {
      if (a.isDirectory()) {
        for (const name of readdirSync(left, { encoding: 'buffer' }))
          pending.push([join(left, name), join(right, name)]);
      }
      continue;
    }
    compared += 1;
    for (const what of differing(a, b, isRoot)) differences.push(`${describe(left)}: ${what}`);
    if (attributes(left) !== attributes(right)) {
      differences.push(`${describe(left)}: extended attributes`);
    }
    if (a.isDirectory() && b.isDirectory()) {
      const names = readdirSync(left, { encoding: 'buffer' });
      const own = new Set(names.map((name) => name.toString('latin1')));
      for (const name of names) pending.push([join(left, name), join(right, name)]);
      for (const name of readdirSync(right, { encoding: 'buffer' })) {
        const path = join(left, name);
        if (!own.has(name.toString('latin1')) || isExcluded(path.toString()))
          differences.push(`${describe(path)}: only in the copy`);
      }
    } else if (a.isSymbolicLink() && b.isSymbolicLink()) {
      const [to, restored] = [left, right].map((path) => readlinkSync(path, { encoding: 'buffer' }));
      if (!to.equals(restored)) differences.push(`${describe(left)}: link target`);
    } else if (a.isFile() && b.isFile()) {
      if (!sameBytes(left, right)) differences.push(`${describe(left)}: content`);
      if (a.nlink > 1n) {
        const known = linksOfCopy.get(`${a.dev}:${a.ino}`) ?? b.ino;
        linksOfCopy.set(`${a.dev}:${a.ino}`, known);
        if (known !== b.ino) differences.push(`${describe(left)}: no longer the same file as its other names`);
      }
    }
  }
  return { compared, differences, changedSince };
}

/** Extended attributes and ACLs as comparable text, through the agent's own system calls; '' where there are none. */
function attributeReader() {
  const { nativeCalls } = require('../dist/apps/client/src/system/native-calls.js');
  const { readXattrs } = require('../dist/apps/client/src/backup/read-xattrs.js');
  return (path) =>
    readXattrs(path, nativeCalls())
      .xattrs.map(({ name, value }) => `${name.toString('latin1')}=${value.toString('hex')}`)
      .join('\n');
}

function* differing(a, b, isRoot) {
  if ((a.mode & 0o170000n) !== (b.mode & 0o170000n)) yield 'kind';
  if (a.mode !== b.mode) yield `mode ${a.mode.toString(8)} became ${b.mode.toString(8)}`;
  if (a.mtimeNs !== b.mtimeNs) yield `mtime ${a.mtimeNs} became ${b.mtimeNs}`;
  if (!a.isDirectory() && a.size !== b.size) yield `size ${a.size} became ${b.size}`;
  if (isRoot && (a.uid !== b.uid || a.gid !== b.gid)) yield 'owner';
  if (a.rdev !== b.rdev) yield 'device numbers';
}

function sameBytes(left, right) {
  const a = openSync(left, 'r');
  try {
    const b = openSync(right, 'r');
    try {
      const [x, y] = [Buffer.alloc(PIECE_BYTES), Buffer.alloc(PIECE_BYTES)];
      for (;;) {
        const n = readSync(a, x);
        let m = 0;
        while (m < n) {
          const more = readSync(b, y, m, n - m, null);
          if (more === 0) return false;
          m += more;
        }
        if (n === 0) return readSync(b, y) === 0;
        if (!x.subarray(0, n).equals(y.subarray(0, n))) return false;
      }
    } finally {
      closeSync(b);
    }
  } finally {
    closeSync(a);
  }
}
