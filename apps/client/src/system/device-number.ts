/** Major and minor number of a character or block device. */
export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/** glibc's makedev(3): `dev_t` as 64 bits, of which minor takes bits 0-7 and 20-43, major 8-19 and 44-63. */
export function encodeDeviceNumber({ major, minor }: DeviceNumber): bigint {
  const high = BigInt(major);
  const low = BigInt(minor);
  return ((high & 0xfffn) << 8n) | ((high & ~0xfffn) << 32n) | (low & 0xffn) | ((low & ~0xffn) << 12n);
}

/** Inverse of encodeDeviceNumber, for `st_rdev`. */
export function decodeDeviceNumber(device: bigint): DeviceNumber {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xffff_f000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffff_ff00n)),
  };
}
