const U32 = 0x1_0000_0000;

/** A u64 (little endian) of less than 2^53, without a BigInt on the way. */
export function readExact(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * U32 + bytes.readUInt32LE(at);
}

/** `value`: a whole number from 0 to 2^53 - 1; throws RangeError for any other, and writes nothing then. */
export function writeExact(bytes: Buffer, value: number, at: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is out of range`);
  bytes.writeUInt32LE(value % U32, at);
  bytes.writeUInt32LE(Math.floor(value / U32), at + 4);
}
