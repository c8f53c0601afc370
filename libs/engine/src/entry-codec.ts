import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';
import { type Entry, ENTRY_KINDS, entryProblem, MAX_ENTRY_BYTES, MAX_MODE, MAX_U32 } from './entry';
import { CorruptError, InvalidError } from './errors';
import { type ContentRef, ID_BYTES, MAX_HEIGHT } from './ids';
import { encodeXattrs, MAX_INLINE_XATTR_BYTES, readXattrs } from './xattrs';

const FIELDS = 8;

/** Keys of the extras map, in the order in which it is written. */
const Extra = {
  linkTarget: 1,
  hardLinkGroup: 2,
  xattrs: 3,
  xattrContent: 4,
  device: 5,
  isSparse: 6,
} as const;

const writer = new CborWriter();

/**
 * CBOR array(8): [kind 1..6, size, mtime ns, mode, uid, gid, content | null, extras]; content is [id, height, size],
 * extras a map of those that are present. Throws InvalidError when a field is out of range, extras do not fit the
 * kind, or the encoding is longer than MAX_ENTRY_BYTES.
 */
export function encodeEntry(entry: Entry): Buffer {
  const problem = entryProblem(entry);
  if (problem !== null) throw new InvalidError(problem);
  writer.begin();
  writer.array(FIELDS);
  writer.uint(ENTRY_KINDS.indexOf(entry.kind) + 1);
  writer.uint(entry.size);
  writer.int64(entry.mtimeNs);
  writer.uint(entry.mode);
  writer.uint(entry.uid);
  writer.uint(entry.gid);
  if (entry.content === null) writer.null();
  else writeContent(entry.content);
  writeExtras(entry);
  if (writer.size > MAX_ENTRY_BYTES) {
    throw new InvalidError(`an entry of ${writer.size} bytes; at most ${MAX_ENTRY_BYTES} fit`);
  }
  return writer.take();
}

/** Strict inverse of encodeEntry. Throws CorruptError with place and byte. Buffers in the result are views. */
export function decodeEntry(bytes: Uint8Array, place: string): Entry {
  if (bytes.length > MAX_ENTRY_BYTES) {
    throw new CorruptError(place, `an entry of ${bytes.length} bytes; at most ${MAX_ENTRY_BYTES} are allowed`);
  }
  const reader = new CborReader(bytes, place);
  const entry = readEntry(reader);
  reader.end();
  return entry;
}

/** Reads the entry that starts at the reader's offset. */
export function readEntry(reader: CborReader): Entry {
  const start = reader.offset;
  reader.array(FIELDS);
  const kind = ENTRY_KINDS[reader.uint(ENTRY_KINDS.length) - 1] ?? reader.fail('kind 0');
  const size = reader.uint();
  const mtimeNs = reader.int64();
  const mode = reader.uint(MAX_MODE);
  const uid = reader.uint(MAX_U32);
  const gid = reader.uint(MAX_U32);
  const content = reader.takeNull() ? null : readContent(reader);
  const entry: Entry = { kind, size, mtimeNs, mode, uid, gid, content };
  readExtras(reader, entry);
  if (reader.offset - start > MAX_ENTRY_BYTES) reader.fail(`an entry longer than ${MAX_ENTRY_BYTES} bytes`);
  const problem = entryProblem(entry);
  if (problem !== null) reader.fail(problem);
  return entry;
}

function writeContent(content: ContentRef): void {
  writer.array(3);
  writer.bytesOf(content.id);
  writer.uint(content.height);
  writer.uint(content.size);
}

function readContent(reader: CborReader): ContentRef {
  reader.array(3);
  const id = reader.bytesOf(ID_BYTES, ID_BYTES);
  const height = reader.uint(MAX_HEIGHT);
  return { id, height, size: reader.uint() };
}

function writeExtras(entry: Entry): void {
  writer.map(presentExtras(entry));
  if (entry.linkTarget !== undefined) {
    writer.uint(Extra.linkTarget);
    writer.bytesOf(entry.linkTarget);
  }
  if (entry.hardLinkGroup !== undefined) {
    writer.uint(Extra.hardLinkGroup);
    writer.uint64(entry.hardLinkGroup);
  }
  if (entry.xattrs !== undefined) {
    const encoded = encodeXattrs(entry.xattrs);
    if (encoded.length > MAX_INLINE_XATTR_BYTES) {
      throw new InvalidError(
        `extended attributes of ${encoded.length} bytes: above ${MAX_INLINE_XATTR_BYTES} they are content`,
      );
    }
    writer.uint(Extra.xattrs);
    writer.raw(encoded);
  }
  if (entry.xattrContent !== undefined) {
    writer.uint(Extra.xattrContent);
    writeContent(entry.xattrContent);
  }
  if (entry.device !== undefined) {
    writer.uint(Extra.device);
    writer.array(2);
    writer.uint(entry.device.major);
    writer.uint(entry.device.minor);
  }
  if (entry.isSparse !== undefined) {
    writer.uint(Extra.isSparse);
    writer.true();
  }
}

function readExtras(reader: CborReader, entry: { -readonly [K in keyof Entry]: Entry[K] }): void {
  let previous = 0;
  for (let left = reader.map(Extra.isSparse); left > 0; left--) {
    const extra = reader.uint();
    if (extra <= previous) reader.fail('extras are not in ascending order');
    previous = extra;
    switch (extra) {
      case Extra.linkTarget:
        entry.linkTarget = reader.bytesOf();
        break;
      case Extra.hardLinkGroup:
        entry.hardLinkGroup = reader.uint64();
        break;
      case Extra.xattrs: {
        const start = reader.offset;
        entry.xattrs = readXattrs(reader);
        if (reader.offset - start > MAX_INLINE_XATTR_BYTES) reader.fail('extended attributes too long to stand here');
        break;
      }
      case Extra.xattrContent:
        entry.xattrContent = readContent(reader);
        break;
      case Extra.device: {
        reader.array(2);
        const major = reader.uint(MAX_U32);
        entry.device = { major, minor: reader.uint(MAX_U32) };
        break;
      }
      case Extra.isSparse:
        reader.true();
        entry.isSparse = true;
        break;
      default:
        reader.fail(`unknown extra ${extra}`);
    }
  }
}

/** How many extras the entry has. */
function presentExtras(entry: Entry): number {
  return (
    Number(entry.linkTarget !== undefined) +
    Number(entry.hardLinkGroup !== undefined) +
    Number(entry.xattrs !== undefined) +
    Number(entry.xattrContent !== undefined) +
    Number(entry.device !== undefined) +
    Number(entry.isSparse !== undefined)
  );
}
