import { type Entry, splitPath } from '#engine';
import { jsonPath } from './output';
import { printableBytes } from './printable';
import { formatTimeNs } from './units';

const TYPES: Readonly<Record<Entry['kind'], string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  'character-device': 'c',
  'block-device': 'b',
};

/** An entry in a JSON document. Times in ns are text: they do not fit a JSON number. */
export function entryDocument(path: Buffer, entry: Entry): object {
  const { kind, size, mode, uid, gid, mtimeNs, linkTarget, device } = entry;
  const target = linkTarget === undefined ? null : jsonPath(linkTarget);
  return {
    ...jsonPath(path),
    kind,
    size,
    mode: mode.toString(8).padStart(4, '0'),
    uid,
    gid,
    mtime: formatTimeNs(mtimeNs),
    mtimeNs: mtimeNs.toString(),
    ...(target === null ? {} : { linkTarget: target.path }),
    ...(target?.pathBase64 === undefined ? {} : { linkTargetBase64: target.pathBase64 }),
    ...(device === undefined ? {} : { device }),
  };
}

/** One line, much as `ls -l` writes it: the name, or what else `shown` is to stand for it. */
export function entryLine(path: Buffer, entry: Entry, shown = shownName(path)): string {
  const target = entry.linkTarget === undefined ? '' : ` -> ${printableBytes(entry.linkTarget)}`;
  const size = entry.device === undefined ? String(entry.size) : `${entry.device.major},${entry.device.minor}`;
  const owner = `${entry.uid}:${entry.gid}`;
  const time = formatTimeNs(entry.mtimeNs);
  return `${modeText(entry)} ${owner.padEnd(11)} ${size.padStart(12)} ${time} ${shown}${target}`;
}

function shownName(path: Buffer): string {
  const { name } = splitPath(path);
  return name.length === 0 ? '/' : printableBytes(name);
}

export function modeText({ kind, mode }: Pick<Entry, 'kind' | 'mode'>): string {
  const triple = (bits: number, special: boolean, letter: string): string => {
    const x = (bits & 1) !== 0;
    const last = special ? (x ? letter : letter.toUpperCase()) : x ? 'x' : '-';
    return `${(bits & 4) !== 0 ? 'r' : '-'}${(bits & 2) !== 0 ? 'w' : '-'}${last}`;
  };
  const owner = triple(mode >> 6, (mode & 0o4000) !== 0, 's');
  const group = triple(mode >> 3, (mode & 0o2000) !== 0, 's');
  return `${TYPES[kind]}${owner}${group}${triple(mode, (mode & 0o1000) !== 0, 't')}`;
}
