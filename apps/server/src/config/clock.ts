/** The one place that reads the clock; tests bind one that they set. */
export abstract class Clock {
  /** Milliseconds since 1970. */
  abstract now(): number;
}

export class SystemClock extends Clock {
  now(): number {
    return Date.now();
  }
}
