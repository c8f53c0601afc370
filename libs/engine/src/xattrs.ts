import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';
import { InvalidError } from './errors';

/** An extended attribute; POSIX ACLs are such attributes on Linux (`system.posix_acl_access`). */
export interface Xattr {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** Attributes whose encoding is at most this long stand in the entry; longer ones are content of their own. */
export const MAX_INLINE_XATTR_BYTES = 4096;

const MAX_NAME_BYTES = 255;
/** array head, name head and one byte of it, value head */
const MIN_XATTR_BYTES = 4;

const writer = new CborWriter();

/**
 * All attributes of one file: CBOR array of [name, value], ascending by name (bytes), each name once.
 * Order and limits are the caller's mistake: InvalidError.
 */
export function encodeXattrs(xattrs: readonly Xattr[]): Buffer {
  writer.begin();
  writer.array(xattrs.length);
  let previous: Buffer | null = null;
  for (const { name, value } of xattrs) {
    const problem = xattrProblem(name, previous);
    if (problem !== null) throw new InvalidError(problem);
    writer.array(2);
    writer.bytesOf(name);
    writer.bytesOf(value);
    previous = name;
  }
  return writer.take();
}

/** Strict inverse of encodeXattrs; names and values are views. */
export function decodeXattrs(bytes: Uint8Array, place: string): Xattr[] {
  const reader = new CborReader(bytes, place);
  const xattrs = readXattrs(reader);
  reader.end();
  return xattrs;
}

export function readXattrs(reader: CborReader): Xattr[] {
  const count = reader.arrayOfAny(MIN_XATTR_BYTES);
  if (count === 0) reader.fail('an empty list of extended attributes is left out, not written');
  const xattrs: Xattr[] = [];
  let previous: Buffer | null = null;
  for (let i = 0; i < count; i++) {
    reader.array(2);
    const name = reader.bytesOf();
    const problem = xattrProblem(name, previous);
    if (problem !== null) reader.fail(problem);
    xattrs.push({ name, value: reader.bytesOf() });
    previous = name;
  }
  return xattrs;
}

function xattrProblem(name: Buffer, previous: Buffer | null): string | null {
  if (name.length === 0 || name.length > MAX_NAME_BYTES || name.includes(0)) {
    return `an extended attribute's name has 1 to ${MAX_NAME_BYTES} bytes, none of them NUL`;
  }
  if (previous !== null && previous.compare(name) >= 0)
    return 'extended attributes are not in ascending order of names';
  return null;
}
