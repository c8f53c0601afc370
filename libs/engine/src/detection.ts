import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';

/**
 * What tells a changed file from an unchanged one at the next run. It travels beside an entry and is no part of a
 * version's identity: a file that was copied away and back is the same version with other detection data.
 */
export interface Detection {
  readonly ctimeNs: bigint;
  readonly inode: bigint;
  /** Number of the file system (`st_dev`). Not stable over reboots, so a difference alone says nothing. */
  readonly device: bigint;
  /** A directory on which a file system was mounted: when it is not mounted later, its content is unavailable, not gone. */
  readonly isMount: boolean;
  /** Changed so shortly before it was read that a later change may carry the same times: it is read again. */
  readonly isRacy: boolean;
}

const IS_MOUNT = 1;
const IS_RACY = 2;

const writer = new CborWriter();

/** CBOR array(4): [ctime ns, inode, device, flags (1 mount, 2 racy)] */
export function encodeDetection(detection: Detection): Buffer {
  writer.begin();
  writer.array(4);
  writer.int64(detection.ctimeNs);
  writer.uint64(detection.inode);
  writer.uint64(detection.device);
  writer.uint((detection.isMount ? IS_MOUNT : 0) | (detection.isRacy ? IS_RACY : 0));
  return writer.take();
}

/** Strict inverse of encodeDetection. Throws CorruptError. */
export function decodeDetection(bytes: Uint8Array, place: string): Detection {
  const reader = new CborReader(bytes, place);
  const detection = readDetection(reader);
  reader.end();
  return detection;
}

export function readDetection(reader: CborReader): Detection {
  reader.array(4);
  const ctimeNs = reader.int64();
  const inode = reader.uint64();
  const device = reader.uint64();
  const flags = reader.uint(IS_MOUNT | IS_RACY);
  return { ctimeNs, inode, device, isMount: (flags & IS_MOUNT) !== 0, isRacy: (flags & IS_RACY) !== 0 };
}
