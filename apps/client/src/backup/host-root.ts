import { lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { isWithin, ROOT_PATH } from '#engine';

/** Of Linux's own path resolution. */
export const MAX_LINKS = 40;
/** No path begins with it. */
const NOWHERE = Buffer.from('\0nowhere');

/** Where a path of the machine is found in this process's own tree: below HOST_ROOT in a container, else where it is. */
export function placeOnHost(hostRoot: Buffer, path: Buffer): Buffer {
  if (hostRoot.length <= 1) return path;
  return path.length <= 1 ? hostRoot : Buffer.concat([hostRoot, path]);
}

/** The other way round; a path that nothing is within when it does not lie below the host's root. */
export function pathOnHost(hostRoot: Buffer, place: Buffer): Buffer {
  if (hostRoot.length <= 1) return place;
  if (!isWithin(place, hostRoot)) return NOWHERE;
  return place.length === hostRoot.length ? ROOT_PATH : place.subarray(hostRoot.length);
}

/**
 * realpath(3) as the machine itself would see it: a link to an absolute path leads from the host's root, and no `..` leads
 * out of it. Throws as realpath does.
 */
export function realpathOnHost(hostRoot: Buffer, path: Buffer): Buffer {
  if (hostRoot.length <= 1) return Buffer.from(realpathSync(path, { encoding: 'buffer' }));
  // latin1 maps bytes to characters one to one.
  let rest = path.toString('latin1').split('/');
  let names: string[] = [];
  for (let links = 0; rest.length > 0;) {
    const [name = '', ...after] = rest;
    rest = after;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      names = names.slice(0, -1);
      continue;
    }
    const place = placeOnHost(hostRoot, Buffer.from(`/${[...names, name].join('/')}`, 'latin1'));
    const stat = lstatSync(place);
    if (!stat.isSymbolicLink()) {
      if (!stat.isDirectory() && rest.length > 0) throw failure('ENOTDIR', place);
      names = [...names, name];
      continue;
    }
    if (++links > MAX_LINKS) throw failure('ELOOP', place);
    const target = readlinkSync(place, { encoding: 'buffer' }).toString('latin1');
    if (target.startsWith('/')) names = [];
    rest = [...target.split('/'), ...rest];
  }
  return Buffer.from(`/${names.join('/')}`, 'latin1');
}

function failure(code: string, place: Buffer): Error {
  return Object.assign(new Error(`${code}: ${place.toString()}`), { code });
}
