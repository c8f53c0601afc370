import type { QuickSighting } from '#engine';
import { decodeDeviceNumber } from '../system/device-number';
import { type LookCalls, STATX_WORDS } from '../system/look-calls';
import type { HardLinks } from './hard-links';

/** A constant of this file: an imported one is looked up in its module each time. */
const Word = { ...STATX_WORDS };
const KIND_MASK = 0o170000;
const DIRECTORY = 2;
/** Codes of entry kinds (docs/format.md) by the kind bits of a mode. */
const CODES = new Map([
  [0o040000, DIRECTORY],
  [0o100000, 1],
  [0o120000, 3],
  [0o010000, 4],
  [0o020000, 5],
  [0o060000, 6],
]);
const DOT = Buffer.from('.\0');
const U32 = 0x1_0000_0000;
const U16 = 0x1_0000;
const NS_PER_SECOND = 1_000_000_000;

/** What lstat says now in the form in which index lines are compared; one object, filled again and again. */
export class QuickLook implements QuickSighting {
  kind = 0;
  size = 0;
  mtimeHigh = 0;
  mtimeLow = 0;
  ctimeHigh = 0;
  ctimeLow = 0;
  inodeHigh = 0;
  inodeLow = 0;
  readonly isMount = false;
  isLinked = false;
  groupHigh = 0;
  groupLow = 0;
  private device = 0n;
  private deviceMajor = 0;
  private deviceMinor = 0;
  private high = 0;
  private low = 0;

  constructor(
    private readonly calls: LookCalls,
    private readonly hardLinks: HardLinks,
  ) {}

  /** Null: it cannot be told, is a socket, on another device, or has times that do not fit. */
  at(directoryFd: number, name: Buffer, device: bigint): QuickSighting | null {
    if (!this.calls.look(directoryFd, name)) return null;
    const { seen } = this.calls;
    const kind = CODES.get((seen[Word.mode] as number) & KIND_MASK);
    if (kind === undefined || !this.isOn(device)) return null;
    this.kind = kind;
    this.size = (seen[Word.size + 1] as number) * U32 + (seen[Word.size] as number);
    this.inodeHigh = seen[Word.inode + 1] as number;
    this.inodeLow = seen[Word.inode] as number;
    this.isLinked = kind !== DIRECTORY && (seen[Word.linkCount] as number) > 1;
    if (this.isLinked && !this.findGroup(device)) return null;
    if (!this.toNanoseconds(Word.mtimeSeconds, Word.mtimeNanoseconds)) return null;
    this.mtimeHigh = this.high;
    this.mtimeLow = this.low;
    if (!this.toNanoseconds(Word.ctimeSeconds, Word.ctimeNanoseconds)) return null;
    this.ctimeHigh = this.high;
    this.ctimeLow = this.low;
    return this;
  }

  /** Is the open directory the one that was looked at last? Nothing else was looked at since. */
  isSame(directoryFd: number, device: bigint): boolean {
    const { inodeHigh, inodeLow } = this;
    const { seen } = this.calls;
    if (!this.calls.look(directoryFd, DOT) || !this.isOn(device)) return false;
    return seen[Word.inode] === inodeLow && seen[Word.inode + 1] === inodeHigh;
  }

  private findGroup(device: bigint): boolean {
    const digest = this.hardLinks.digest(device, this.inodeHigh, this.inodeLow);
    if (digest === null) return false;
    this.groupHigh = digest.readUInt32LE(4);
    this.groupLow = digest.readUInt32LE(0);
    return true;
  }

  private isOn(device: bigint): boolean {
    if (device !== this.device) {
      ({ major: this.deviceMajor, minor: this.deviceMinor } = decodeDeviceNumber(BigInt.asUintN(64, device)));
      this.device = device;
    }
    const { seen } = this.calls;
    return seen[Word.deviceMajor] === this.deviceMajor && seen[Word.deviceMinor] === this.deviceMinor;
  }

  /** seconds * 10^9 + nanoseconds in two halves: every product stays below 2^53. False: before 1970 or after 2106. */
  private toNanoseconds(secondsAt: number, nanosecondsAt: number): boolean {
    const { seen } = this.calls;
    if (seen[secondsAt + 1] !== 0) return false;
    const seconds = seen[secondsAt] as number;
    const upper = (seconds >>> 16) * NS_PER_SECOND;
    const rest = (upper % U16) * U16 + (seconds & 0xffff) * NS_PER_SECOND + (seen[nanosecondsAt] as number);
    this.high = Math.floor(upper / U16) + Math.floor(rest / U32);
    this.low = rest % U32;
    return true;
  }
}
