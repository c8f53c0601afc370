import { CorruptError, InvalidError } from './errors';
import { comparePaths } from './path';

interface Located {
  readonly path: Buffer;
}

/** One path of either stream, or of both. */
export interface Merged<A, B> {
  readonly old?: A;
  readonly now?: B;
}

/**
 * Merges two streams that are in walk order, holding one record of each: every path once, in walk order, with what
 * each side says of it. Paths that do not ascend are a CorruptError in `old` (a file) and an InvalidError in `now` (a
 * walk): going on would take paths for deleted that are there.
 */
export async function* mergeByPath<A extends Located, B extends Located>(
  old: AsyncIterable<A>,
  now: AsyncIterable<B>,
): AsyncGenerator<Merged<A, B>, void, undefined> {
  const left = new Ascending(old, (what) => new CorruptError('index', what));
  const right = new Ascending(now, (what) => new InvalidError(`walk: ${what}`));
  try {
    let a = await left.next();
    let b = await right.next();
    while (a !== null || b !== null) {
      const order = a === null ? 1 : b === null ? -1 : comparePaths(a.path, b.path);
      yield pick(order, a, b);
      if (order <= 0) a = await left.next();
      if (order >= 0) b = await right.next();
    }
  } finally {
    await left.close();
    await right.close();
  }
}

function pick<A, B>(order: number, a: A | null, b: B | null): Merged<A, B> {
  if (a === null || order > 0) return b === null ? {} : { now: b };
  return b === null || order < 0 ? { old: a } : { old: a, now: b };
}

/** Reads one record at a time and insists that paths ascend. */
class Ascending<T extends Located> {
  private readonly records: AsyncIterator<T>;
  private previous: Buffer | null = null;
  private count = 0;
  private hasEnded = false;

  constructor(
    source: AsyncIterable<T>,
    private readonly problem: (what: string) => Error,
  ) {
    this.records = source[Symbol.asyncIterator]();
  }

  async next(): Promise<T | null> {
    const next = await this.records.next();
    if (next.done === true) {
      this.hasEnded = true;
      return null;
    }
    const { value } = next;
    this.count++;
    if (this.previous !== null && comparePaths(this.previous, value.path) >= 0) {
      throw this.problem(`path ${this.count} is not above the one before it`);
    }
    this.previous = value.path;
    return value;
  }

  async close(): Promise<void> {
    if (!this.hasEnded) await this.records.return?.();
  }
}
