/** A time as a page shows it. */
export interface Moment {
  /** For machines, in UTC. */
  readonly iso: string;
  /** For people, as short as it can be. */
  readonly text: string;
  /** On hover: to the second, with the zone. */
  readonly exact: string;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const LARGEST_MS = 8.64e15;

interface Formats {
  readonly exact: Intl.DateTimeFormat;
  readonly day: Intl.DateTimeFormat;
  readonly dayOfYear: Intl.DateTimeFormat;
  readonly time: Intl.DateTimeFormat;
  readonly second: Intl.DateTimeFormat;
  readonly key: Intl.DateTimeFormat;
}

/** By zone: a format takes far longer to make than to use. There are some hundred zones. */
const formatsByZone = new Map<string, Formats>();

/** Pure: times in the words of who reads them, seen from one moment. */
export class Moments {
  private readonly formats: Formats;

  constructor(
    readonly timeZone: string,
    readonly nowMs: number,
  ) {
    this.formats = formatsOf(timeZone);
  }

  /** `4 min ago`, `in 3 h`; dates beyond a week. */
  near(ms: number | null): Moment | null {
    return this.moment(ms, (time) => this.distance(time));
  }

  /** `26 Nov, 23:20`; with the year when it is another one. */
  at(ms: number | null): Moment | null {
    return this.moment(ms, (time) => `${this.day(time)}, ${this.formats.time.format(time)}`);
  }

  /** The same to the second, for what follows closely. */
  second(ms: number | null): Moment | null {
    return this.moment(ms, (time) => `${this.day(time)}, ${this.formats.second.format(time)}`);
  }

  /** `2026-11-26`, the day on which it was in this zone. */
  dayKey(ms: number): string {
    return this.formats.key.format(ms);
  }

  private moment(ms: number | null, text: (time: number) => string): Moment | null {
    // Clocks of agents are told as they are, and may be anything.
    if (ms === null || !(Math.abs(ms) <= LARGEST_MS)) return null;
    return { iso: new Date(ms).toISOString(), text: text(ms), exact: this.formats.exact.format(ms) };
  }

  private day(ms: number): string {
    const sameYear = this.formats.key.format(ms).slice(0, 4) === this.formats.key.format(this.nowMs).slice(0, 4);
    return (sameYear ? this.formats.day : this.formats.dayOfYear).format(ms);
  }

  private distance(ms: number): string {
    const away = Math.abs(ms - this.nowMs);
    if (away >= 7 * DAY) return this.day(ms);
    if (away < MINUTE) return ms <= this.nowMs ? 'just now' : 'in a moment';
    const text =
      away < HOUR
        ? `${Math.floor(away / MINUTE)} min`
        : away < 2 * DAY
          ? `${Math.floor(away / HOUR)} h`
          : `${Math.floor(away / DAY)} days`;
    return ms <= this.nowMs ? `${text} ago` : `in ${text}`;
  }
}

function formatsOf(timeZone: string): Formats {
  const known = formatsByZone.get(timeZone);
  if (known !== undefined) return known;
  const format = (options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat('en-GB', { timeZone, ...options });
  const day = { day: 'numeric', month: 'short' } as const;
  const made: Formats = {
    exact: format({
      ...{ weekday: 'short', ...day, year: 'numeric' },
      ...{ hour: '2-digit', minute: '2-digit', second: '2-digit', timeZoneName: 'short' },
    }),
    day: format(day),
    dayOfYear: format({ ...day, year: 'numeric' }),
    time: format({ hour: '2-digit', minute: '2-digit' }),
    second: format({ hour: '2-digit', minute: '2-digit', second: '2-digit' }),
    key: new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }),
  };
  formatsByZone.set(timeZone, made);
  return made;
}
