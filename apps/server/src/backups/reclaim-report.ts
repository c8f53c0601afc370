/** What a pass did, or would do when it was tried dry. Bytes of chunks are plain, those of packs as stored. */
export interface ReclaimReport {
  chunks: number;
  referenced: number;
  /** Condemned by this pass: gone at the earliest with the first pass that begins two days later. */
  condemned: number;
  swept: number;
  sweptBytes: number;
  packsDied: number;
  packsDeleted: number;
  /** Bytes that went from storage. */
  freedBytes: number;
  /** Packs that are done with, written anew or swept empty, and wait in storage until no copy of the catalog that counts names them. */
  heldPacks: number;
  heldBytes: number;
  /** Packs that would have waited longer, and went because the disk is full. */
  endedHolds: number;
  /** Packs that were to be written anew: too much in them is not in use, or they are small. */
  sparsePacks: number;
  smallPacks: number;
  /** Packs that were written anew, and what the new ones take. */
  rewrittenPacks: number;
  writtenBytes: number;
  /** What comes back when the packs that were to be written anew have gone. */
  rewriteFreesBytes: number;
  /** Packs that are to be written anew when old packs of others have gone: until then too much of what is free would be taken. */
  packsLater: number;
  /** Packs that were to be written anew, for which the disk had no room. */
  packsWithoutRoom: number;
  /**
   * Packs that were to be written anew and could not be read, or be written: nothing is concluded, scrub looks at them first. And dead
   * ones that could not be deleted: the next pass tries again.
   */
  failedPacks: number;
  /** What was wrong with the first of them; and what helps when there was no room. */
  problems: string[];
}

const KEPT_PROBLEMS = 20;

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
    heldPacks: 0,
    heldBytes: 0,
    endedHolds: 0,
    sparsePacks: 0,
    smallPacks: 0,
    rewrittenPacks: 0,
    writtenBytes: 0,
    rewriteFreesBytes: 0,
    packsLater: 0,
    packsWithoutRoom: 0,
    failedPacks: 0,
    problems: [],
  };
}

export function noteProblem(report: ReclaimReport, problem: string): void {
  if (report.problems.length < KEPT_PROBLEMS) report.problems.push(problem);
}

export function noteFailedPack(report: ReclaimReport, problem: string): void {
  report.failedPacks += 1;
  noteProblem(report, problem);
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
