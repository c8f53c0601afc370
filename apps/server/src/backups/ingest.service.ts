import { Injectable } from '@nestjs/common';
import { LIMITS, type PackAnswer } from '#common';
import { type ChunkKey, keyString } from '#engine';
import { Database } from '../database/database';
import { slices } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { ChunksRepository } from './chunks.repository';
import { type IngestPlan, planIngest, storedAlone } from './ingest-plan';
import { IngestRows, StalePlan, type StoredPack } from './ingest-rows';
import type { IngestSpool, UploadChecks } from './ingest-spool';
import type { Upload } from './ingest-upload';
import { PackFiles } from './pack-files';
import { newPackKey } from './pack-key';
import { PacksRepository } from './packs.repository';
import { countStored } from './quota.repository';
import type { RunGrant } from './run-grant';
import { RunLease } from './run-lease';
import { UploadRoom } from './upload-room';

const MAX_PLANS = 4;
/** Keys in one transaction of a `missing` query: the next writer waits no longer than that. */
const MISSING_SLICE = 4_096;

/** What is known of an upload before it comes. */
interface UploadTerms {
  /** Bytes of the body, as its sender says; 0: he does not. */
  readonly announcedBytes: number;
  /** Told what the upload is about to hold; may refuse. */
  readonly onMemory: UploadChecks['onMemory'];
}

@Injectable()
export class IngestRepositories {
  constructor(
    readonly chunks: ChunksRepository,
    readonly packs: PacksRepository,
    readonly rows: IngestRows,
  ) {}
}

/** How chunks get into the repository (durability.md, "Ingest"). Everything here may be sent twice, also at once. */
@Injectable()
export class IngestService {
  constructor(
    private readonly database: Database,
    private readonly files: PackFiles,
    private readonly repositories: IngestRepositories,
    private readonly lease: RunLease,
    private readonly room: UploadRoom,
  ) {}

  /**
   * Those of the keys that must be sent: absent or damaged in the domain, whoever else may have them, and damaged ones
   * below lists. What is not named is safe from reclaim. At most LIMITS.missingKeys keys; `run-over` when the run is;
   * `quota-exceeded` or `storage-full` when something is to be sent and there is no room for it.
   */
  async missing(run: RunGrant, keys: readonly ChunkKey[]): Promise<ChunkKey[]> {
    if (keys.length > LIMITS.missingKeys) throw tooManyKeys(LIMITS.missingKeys);
    const parts: ChunkKey[][] = [];
    for await (const slice of slices(keys, MISSING_SLICE)) {
      const part = await this.database.write('chunks.missing', async (tx) => {
        await this.lease.keep(tx, run);
        return this.repositories.chunks.findMissing(tx, run.domainNo, slice);
      });
      parts.push(part);
    }
    // Each part names a key once; two may name the same.
    const missing = parts.length === 1 ? parts.flat() : uniqueKeys(parts.flat());
    // Told now, and not when they come: what is missing is about to be sent.
    if (missing.length > 0) await this.room.assertRoomFor(run.clientNo, 1);
    return missing;
  }

  /**
   * Takes in concatenated blocks. When it resolves, every chunk of the body is owned by the run's domain, and durable.
   * When it throws, nothing was acknowledged: `too-large`, `invalid` (a block is not what it says; a list's sizes do not
   * add up), `missing-chunks` (a list names what the domain does not own), `run-over`, `storage-unavailable`.
   * Before the body is read: `quota-exceeded`, `storage-full` when the announced bytes have no room.
   */
  async receivePack(
    run: RunGrant,
    body: AsyncIterable<Uint8Array>,
    { announcedBytes = 0, onMemory = () => undefined }: Partial<UploadTerms> = {},
  ): Promise<PackAnswer> {
    const onProgress = await this.lease.start(run);
    await this.room.assertRoomFor(run.clientNo, announcedBytes);
    const spool = await this.files.spool();
    try {
      const upload = await spool.receive(body, {
        onMemory,
        onProgress,
        assertOwned: (children) =>
          this.database.read((sql) => this.repositories.rows.assertOwned(sql, run.domainNo, children)),
      });
      return await this.ingest(run, upload, spool);
    } finally {
      await spool.remove();
    }
  }

  private async ingest(run: RunGrant, upload: Upload, spool: IngestSpool): Promise<PackAnswer> {
    if (upload.blocks.length === 0) return { chunks: 0, newChunks: 0, storedBytes: 0 };
    for (let round = 1; ; round += 1) {
      const holdings = await this.database.read((sql) =>
        this.repositories.rows.findHoldings(sql, run.domainNo, upload),
      );
      const plan = planIngest(upload, holdings);
      const pack = plan.kept.length === 0 ? null : await this.storePack(run, plan, spool);
      try {
        return await this.writeRows(run, { upload, plan, pack });
      } catch (error) {
        // The outcome of a commit that broke off is not known, and such a pack may be live: only a refusal kills it here.
        if (pack !== null && (error instanceof StalePlan || error instanceof DomainError)) await this.giveUp(pack);
        if (!(error instanceof StalePlan)) throw error;
        if (round === MAX_PLANS) throw changedTooOften(error);
      }
    }
  }

  /** The row before the bytes: an object without a row would never be removed. A failing put leaves the row for reclaim. */
  private async storePack(run: RunGrant, plan: IngestPlan, spool: IngestSpool): Promise<StoredPack> {
    const { file, length, offsets } = await spool.makePack(plan.kept);
    const key = newPackKey();
    const no = await this.database.write('packs.uploading', async (tx) => {
      await this.lease.renew(tx, run);
      return this.repositories.packs.insertUploading(tx, { key, taskNo: run.taskNo, runNumber: run.runNumber });
    });
    await this.files.put(key, { file, length });
    const plainBytes = plan.kept.reduce((sum, { header }) => sum + header.plainLength, 0);
    return { no, length, plainBytes, offsets };
  }

  private async writeRows(
    run: RunGrant,
    work: { upload: Upload; plan: IngestPlan; pack: StoredPack | null },
  ): Promise<PackAnswer> {
    const { rows } = this.repositories;
    const { written, answer } = await this.database.write('packs.live', async (tx) => {
      await this.lease.renew(tx, run);
      const result = await rows.write(tx, run, work);
      const newChunks = result.newNames.size;
      const storedBytes = storedAlone(work.upload, result.newNames);
      await rows.countUpload(tx, run, { newChunks, newBytes: result.newBytes, storedBytes });
      await countStored(tx, run.domainNo, result.addedBytes);
      if (result.addedBytes > 0) await this.room.assertWithin(tx, run.clientNo);
      return { written: result.written, answer: { chunks: work.upload.chunks.size, newChunks, storedBytes } };
    });
    rows.remember(run, written);
    return answer;
  }

  private async giveUp(pack: StoredPack): Promise<void> {
    await this.database.write('packs.dead', (tx) => this.repositories.packs.markDead(tx, pack.no));
  }
}

function uniqueKeys(keys: readonly ChunkKey[]): ChunkKey[] {
  return [...new Map(keys.map((key) => [keyString(key), key])).values()];
}

function tooManyKeys(limit: number): DomainError {
  return new DomainError('too-large', `More than ${limit} chunk keys in one request: ask in several`);
}

function changedTooOften(cause: unknown): DomainError {
  return new DomainError('unavailable', 'What is stored changed too often while this upload came in: send it again.', {
    cause,
  });
}
