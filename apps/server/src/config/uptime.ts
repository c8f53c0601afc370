import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';

/** Time that passed, whatever is done to the clock: tells a leap of the clock from a machine that slept. */
export abstract class Uptime {
  /** Readings with the same id count from the same moment. */
  abstract readonly bootId: string;
  /** Milliseconds since the machine's boot, sleep included. */
  abstract elapsedMs(): number;
}

export class SystemUptime extends Uptime {
  readonly bootId = readBootId();

  /** `aheadMs`: tests only. */
  constructor(private readonly aheadMs = 0) {
    super();
  }

  elapsedMs(): number {
    return Math.round(uptime() * 1_000) + this.aheadMs;
  }
}

/** Where the system names no boot, each process counts for itself. */
function readBootId(): string {
  try {
    const id = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return /^[0-9a-f-]{36}$/.test(id) ? id : randomUUID();
  } catch {
    return randomUUID();
  }
}
