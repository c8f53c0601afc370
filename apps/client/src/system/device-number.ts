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

/** Numbers of devices that are mostly the same as the last; signed, as Node's stat has them. */
export class KnownDevice {
  private major = 0;
  private minor = 0;
  private number = 0n;

  numberOf(major: number, minor: number): bigint {
    if (major !== this.major || minor !== this.minor) {
      this.number = BigInt.asIntN(64, encodeDeviceNumber({ major, minor }));
      this.major = major;
      this.minor = minor;
    }
    return this.number;
  }

  /** Is `number` (signed or not) the device of this major and minor number? */
  is(number: bigint, major: number, minor: number): boolean {
    return this.numberOf(major, minor) === BigInt.asIntN(64, number);
  }
}

/** Inverse of encodeDeviceNumber, for `st_rdev`. */
export function decodeDeviceNumber(device: bigint): DeviceNumber {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xffff_f000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffff_ff00n)),
  };
}
