import { CorruptError, InvalidError } from './errors';

export const UUID_BYTES = 16;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The 16 bytes of a UUID in its canonical text form (lower case, dashes). */
export function uuidToBytes(uuid: string): Buffer {
  if (!UUID.test(uuid)) throw new InvalidError(`"${uuid.slice(0, 64)}" is no UUID in canonical form`);
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

export function uuidFromBytes(bytes: Buffer, place: string): string {
  if (bytes.length !== UUID_BYTES) throw new CorruptError(place, `a UUID of ${bytes.length} bytes`);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
