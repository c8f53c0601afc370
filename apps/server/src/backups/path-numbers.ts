/**
 * Numbers of paths, distinct and rising, as they rest in `run_batches.paths`: the distance to the number before (to 0 for the
 * first), least significant 7 bits first, the high bit set in all bytes but the last. Mostly a byte or two each.
 */
export function encodePathNumbers(rising: readonly number[]): Buffer {
  const bytes: number[] = [];
  let last = 0;
  for (const no of rising) {
    if (!(Number.isSafeInteger(no) && no > last)) throw new Error(`path ${no} does not come after ${last}`);
    let distance = no - last;
    // Divided, not shifted: numbers go beyond 32 bits.
    for (; distance >= 0x80; distance = Math.floor(distance / 0x80)) bytes.push((distance % 0x80) + 0x80);
    bytes.push(distance);
    last = no;
  }
  return Buffer.from(bytes);
}

/** Null when the bytes are not what {@link encodePathNumbers} makes. */
export function decodePathNumbers(bytes: Buffer): number[] | null {
  const numbers: number[] = [];
  let last = 0;
  let distance = 0;
  let factor = 1;
  for (const byte of bytes) {
    distance += (byte % 0x80) * factor;
    factor *= 0x80;
    if (byte >= 0x80) continue;
    if (distance === 0 || (byte === 0 && factor > 0x80)) return null;
    last += distance;
    if (!Number.isSafeInteger(last)) return null;
    numbers.push(last);
    distance = 0;
    factor = 1;
  }
  return factor === 1 ? numbers : null;
}
