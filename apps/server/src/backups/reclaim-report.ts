/** What a pass did, or would do when it was tried dry. Bytes of chunks are plain, those of packs as stored. */
export interface ReclaimReport {
  chunks: number;
  referenced: number;
  /** Condemned by this pass: gone at the earliest with the first pass that begins a day later. */
  condemned: number;
  swept: number;
  sweptBytes: number;
  packsDied: number;
  packsDeleted: number;
  /** Bytes that went from storage. */
  freedBytes: number;
  /** Packs that were to be written anew: too much in them is not in use, or they are small. */
  sparsePacks: number;
  smallPacks: number;
  /** Packs that were written anew, and what the new ones take. */
  rewrittenPacks: number;
  writtenBytes: number;
  /** What comes back when the packs that were to be written anew have gone. */
  rewriteFreesBytes: number;
}

export function emptyReport(): ReclaimReport {
  return {
    chunks: 0,
    referenced: 0,
    condemned: 0,
    swept: 0,
    sweptBytes: 0,
    packsDied: 0,
    packsDeleted: 0,
    freedBytes: 0,
    sparsePacks: 0,
    smallPacks: 0,
    rewrittenPacks: 0,
    writtenBytes: 0,
    rewriteFreesBytes: 0,
  };
}

export type ReclaimPhase = 'mark' | 'judge' | 'sweep' | 'delete' | 'rewrite';

/** One pass while it goes on. */
export interface ReclaimPass {
  readonly isDryRun: boolean;
  readonly signal: AbortSignal;
  readonly startedAt: number;
  readonly report: ReclaimReport;
  /** Tells how far it is. */
  readonly tell: (phase: ReclaimPhase) => void;
}
