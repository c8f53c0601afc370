import type { KeptSums, SpaceLevel, SpaceSums } from '#common';
import type { KeptFigures } from './space-days.repository';

export const NOTHING: SpaceSums = { logicalBytes: 0, uniqueBytes: 0, storedBytes: 0, reclaimableBytes: 0 };

/** The newest figures of each. */
export class Kept {
  readonly newestMs: number | null;
  private readonly rows: ReadonlyMap<string, KeptFigures>;

  constructor(rows: readonly KeptFigures[]) {
    this.rows = new Map(rows.map((row) => [`${row.level} ${row.subjectNo}`, row]));
    this.newestMs = this.of('all', 0)?.at ?? null;
  }

  of(level: SpaceLevel, subjectNo: number): KeptFigures | undefined {
    return this.rows.get(`${level} ${subjectNo}`);
  }
}

interface AddedBytes {
  readonly newBytes: number;
  readonly storedBytes: number;
}

/** What runs brought since. */
export class Added {
  readonly byTask = new Map<number, AddedBytes>();
  readonly byClient = new Map<number, AddedBytes>();
  readonly byUser = new Map<number, AddedBytes>();

  raise(sums: Map<number, AddedBytes>, no: number, by: AddedBytes | undefined): void {
    if (by === undefined) return;
    const { newBytes, storedBytes } = sums.get(no) ?? { newBytes: 0, storedBytes: 0 };
    sums.set(no, { newBytes: newBytes + by.newBytes, storedBytes: storedBytes + by.storedBytes });
  }

  all(): AddedBytes {
    const sums = new Map<number, AddedBytes>();
    for (const bytes of this.byUser.values()) this.raise(sums, 0, bytes);
    return sums.get(0) ?? { newBytes: 0, storedBytes: 0 };
  }
}

export function plus(kept: SpaceSums | undefined, added: AddedBytes | undefined): SpaceSums {
  const { logicalBytes, uniqueBytes, storedBytes, reclaimableBytes } = kept ?? NOTHING;
  const { newBytes, storedBytes: newStored } = added ?? { newBytes: 0, storedBytes: 0 };
  return {
    logicalBytes: logicalBytes + newBytes,
    uniqueBytes: uniqueBytes + newBytes,
    storedBytes: storedBytes + newStored,
    reclaimableBytes,
  };
}

export function keptOf({ logicalBytes, uniqueBytes, storedBytes }: KeptSums): KeptSums {
  return { logicalBytes, uniqueBytes, storedBytes };
}

export function sumsOf({ logicalBytes, uniqueBytes, storedBytes, reclaimableBytes }: SpaceSums): SpaceSums {
  return { logicalBytes, uniqueBytes, storedBytes, reclaimableBytes };
}
