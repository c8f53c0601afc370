import { Inject, Injectable, Logger } from '@nestjs/common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { DeletionGuard } from '../guards/deletion-guard';
import { FreeSpace } from '../storage/free-space';
import { type Storage, STORAGE } from '../storage/storage';
import { noteFailedPack, noteProblem, type ReclaimPass } from './reclaim-report';
import { type DeadPack, type DeathBounds, ReclaimRepository } from './reclaim.repository';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Readers of a pack that died have finished by then, or ask again and find its chunks elsewhere. */
const READERS_MS = HOUR_MS;
const PACKS_PER_PAGE = 200;
/** Packs in a row that could not be deleted: then the storage is out of reach, and not single packs of it. */
const FAILED_IN_A_ROW = 5;
/** On a full disk so many uploads of the largest size (1 GiB) are to have room until the next pass; with room for one alone, a backup would come on by one a day. */
const UPLOADS_UNTIL_NEXT = 17;

/** What it works with. */
@Injectable()
export class DeleteWork {
  constructor(
    readonly repository: ReclaimRepository,
    readonly guard: DeletionGuard,
    readonly disk: FreeSpace,
  ) {}
}

/** Packs that one pass could not delete. */
interface Failures {
  readonly packNos: Set<number>;
  inARow: number;
}

/** The part of a pass that deletes dead packs from storage. What is wrong with one is told, and keeps no other back. */
@Injectable()
export class ReclaimDelete {
  private readonly logger = new Logger(ReclaimDelete.name);

  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly settings: ServerSettings,
    private readonly work: DeleteWork,
  ) {}

  /** Throws `deletion-stopped` when it is not safe to delete. */
  async run(pass: ReclaimPass): Promise<void> {
    const failures: Failures = { packNos: new Set(), inARow: 0 };
    await this.deletePacks(pass, failures);
    await this.endHolds(pass, failures);
  }

  private async deletePacks(pass: ReclaimPass, failures: Failures): Promise<void> {
    const heldMs = this.settings.reclaimMovedDays * DAY_MS;
    const bounds = (now: number): DeathBounds => ({ before: now - READERS_MS, heldBefore: now - heldMs });
    for await (const pack of this.deadPacks(bounds, pass, failures)) await this.deletePack(pack, pass, failures);
  }

  /** On a full disk older copies of the catalog come second: the oldest packs that wait go, until the next backups have room. */
  private async endHolds(pass: ReclaimPass, failures: Failures): Promise<void> {
    if (!(await this.work.disk.isShortOfPacks())) return;
    const bounds = (now: number): DeathBounds => ({ before: now - READERS_MS, heldBefore: now - READERS_MS });
    for await (const pack of this.deadPacks(bounds, pass, failures)) {
      if (!(await this.work.disk.isShortOfPacks(UPLOADS_UNTIL_NEXT))) return;
      if (await this.deletePack(pack, pass, failures)) pass.report.endedHolds += 1;
    }
  }

  /** Each once, by ascending number; those last that could not be deleted once, so that they are never all that a pass comes to. */
  private async *deadPacks(
    bounds: (now: number) => DeathBounds,
    pass: ReclaimPass,
    failures: Failures,
  ): AsyncGenerator<DeadPack, void, undefined> {
    failures.inARow = 0;
    for (const isFaulty of [false, true]) {
      for (let afterNo = 0, isOver = false; !isOver;) {
        pass.signal.throwIfAborted();
        const page = { isFaulty, afterNo, limit: PACKS_PER_PAGE };
        const dead = await this.pageOf(bounds(await this.database.now()), page);
        for (const pack of dead) {
          if (failures.packNos.has(pack.no)) continue;
          yield pack;
          if (failures.inARow === FAILED_IN_A_ROW) {
            noteProblem(pass.report, `${FAILED_IN_A_ROW} packs in a row could not be deleted: the others wait.`);
            return;
          }
        }
        afterNo = dead.at(-1)?.no ?? afterNo;
        isOver = dead.length < PACKS_PER_PAGE;
      }
    }
  }

  private pageOf(
    bounds: DeathBounds,
    page: { isFaulty: boolean; afterNo: number; limit: number },
  ): Promise<DeadPack[]> {
    return this.database.read(async (sql) => {
      await this.work.guard.assertIn(sql);
      return this.work.repository.deadPacks(sql, bounds, page);
    });
  }

  /** Storage first, then the row says so: a crash between repeats a deletion, and forgets none. False: it could not be deleted. */
  private async deletePack(pack: DeadPack, pass: ReclaimPass, failures: Failures): Promise<boolean> {
    try {
      await this.storage.delete(pack.key);
    } catch (error) {
      if (pass.signal.aborted || !(error instanceof Error)) throw error;
      await this.noteFailure(pack, error.message, { pass, failures });
      return false;
    }
    await this.database.write('packs.deleted', (tx) => this.work.repository.markDeleted(tx, pack.no));
    failures.inARow = 0;
    pass.report.packsDeleted += 1;
    pass.report.freedBytes += pack.length;
    pass.tell('delete');
    return true;
  }

  private async noteFailure(
    { no, key }: DeadPack,
    reason: string,
    { pass, failures }: { pass: ReclaimPass; failures: Failures },
  ): Promise<void> {
    failures.packNos.add(no);
    failures.inARow += 1;
    const problem = `${key} was not deleted: ${reason}`;
    this.logger.error(problem);
    noteFailedPack(pass.report, problem);
    await this.database.write('packs.deleted', (tx) => this.work.repository.noteUndeleted(tx, no, reason));
  }
}
