/** The one place that reads the clock; tests bind one that they set. */
export abstract class Clock {
  /** Milliseconds since 1970. */
  abstract now(): number;
}

export class SystemClock extends Clock {
  /** `aheadMs`: tests only. */
  constructor(private readonly aheadMs = 0) {
    super();
  }

  now(): number {
    return Date.now() + this.aheadMs;
  }
}
