import type { SpaceLevel, SpaceSums } from '#common';
import { ChunkBits } from '../backups/chunk-bits';

/** What was reckoned for one user, client or task, or for all. */
export interface Reckoned extends SpaceSums {
  readonly level: SpaceLevel;
  /** 0: of all. */
  readonly subjectNo: number;
  /** Of a task: its newest run that is counted. */
  readonly upToRun: number | null;
}

/** Adds up what is kept for somebody: versions in full, chunks once. */
export class SpaceTally {
  readonly bits = new ChunkBits();
  logicalBytes = 0;
  uniqueBytes = 0;
  storedBytes = 0;

  /** Lists are no content, but they lie in storage. */
  addChunk({ no, height, length, storedLength }: CountableChunk): void {
    if (!this.bits.add(no)) return;
    if (height === 0) this.uniqueBytes += length;
    this.storedBytes += storedLength;
  }
}

interface CountableChunk {
  readonly no: number;
  readonly height: number;
  readonly length: number;
  readonly storedLength: number;
}
