import { Injectable } from '@nestjs/common';
import { type BatchAnswer, LIMITS } from '#common';
import {
  type ChunkKey,
  type ContentRef,
  CorruptError,
  decodeChange,
  decodeRecords,
  encodeKeys,
  keyString,
  nextChainDigest,
  splitPath,
  UnsupportedError,
} from '#engine';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { CatalogPathsRepository, pathKey } from './catalog-paths.repository';
import { CatalogWriteRepository } from './catalog-write.repository';
import { ChunksRepository } from './chunks.repository';
import type { RunGrant } from './run-grant';
import { decodedChange, type DecodedChange, planBatch } from './runs-batch-plan';
import { assertOldBatch } from './runs-refusals';
import { RunsRepository } from './runs.repository';

interface Batch {
  readonly changes: readonly DecodedChange[];
  readonly digest: Buffer;
}

/** Repositories that a batch touches. */
@Injectable()
export class BatchRepositories {
  constructor(
    readonly runs: RunsRepository,
    readonly paths: CatalogPathsRepository,
    readonly versions: CatalogWriteRepository,
    readonly chunks: ChunksRepository,
  ) {}
}

/** Writes a run's numbered batches of changes into the catalog, under the run's number, where no reader sees them yet. */
@Injectable()
export class BatchWriter {
  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly repositories: BatchRepositories,
  ) {}

  /**
   * All or nothing. An old number is acknowledged without effect. Throws `sequence-gap`, `run-over`, `run-committing`,
   * `invalid`, and `missing-chunks` with the keys in `details.keysBase64`: then the batch had no effect, the run goes
   * on, and the same number is expected again.
   */
  async apply(run: RunGrant, sequence: number, body: Buffer): Promise<BatchAnswer> {
    const batch = decodeBatch(body, `batch ${sequence} of run ${run.runNumber}`);
    return this.database.write('runs.batch', async (tx) => {
      const { runs } = this.repositories;
      const leaseUntil = (await tx.now()) + this.settings.runLeaseMs;
      // The fence first: it holds the run's row, so batches of a run come one by one and none comes after its end.
      const isItsTurn = await runs.moveFence(tx, run, { sequence, leaseUntil });
      const row = await runs.get(tx, { taskNo: run.taskNo, number: run.runNumber });
      if (!isItsTurn) {
        assertOldBatch(row, run, sequence);
        return { nextSequence: row.nextSequence };
      }
      await this.write(tx, run, batch.changes);
      const chainDigest = nextChainDigest(row.chainDigest, batch.digest);
      await runs.recordBatch(tx, run, { changes: batch.changes.length, chainDigest });
      return { nextSequence: row.nextSequence };
    });
  }

  private async write(tx: Sql, run: RunGrant, changes: readonly DecodedChange[]): Promise<void> {
    const { paths, versions } = this.repositories;
    const key = { taskNo: run.taskNo, number: run.runNumber };
    const put = new Set(changes.filter(({ type }) => type === 'put').map(({ path }) => pathKey(path)));
    const numbers = await paths.numbersOf(
      tx,
      run.taskNo,
      changes.map(({ path }) => path),
      put,
    );
    const chunkNo = await this.checkChunks(tx, run, changes);
    const plan = planBatch(changes, {
      runNumber: run.runNumber,
      numbers,
      versions: await versions.versionsFor(tx, key, concernedNumbers(changes, numbers)),
      chunkNo,
    });
    // Close old, then insert new: at no time has a path two open versions.
    await versions.close(tx, key, plan.closings);
    await versions.insert(tx, key, plan.versions);
    await versions.updateDetections(tx, run.taskNo, plan.detections);
    await versions.closeDescendants(tx, key, plan.formerDirectories);
  }

  /**
   * Revives, then checks what the batch refers to, entries that will be dropped included: so a damaged chunk is asked
   * for again whenever somebody has its bytes at hand. Returns the number of a content's chunk.
   */
  private async checkChunks(
    tx: Sql,
    run: RunGrant,
    changes: readonly DecodedChange[],
  ): Promise<(content: ContentRef) => number> {
    const { chunks } = this.repositories;
    const contents = contentsOf(changes);
    const keys = [...new Map<string, ChunkKey>(contents.map((content) => [keyString(content), content])).values()];
    if (keys.length === 0) return () => fail();
    const { missing, found } = await chunks.findPresence(tx, run.domainNo, keys);
    if (missing.length > 0) throw missingChunks(run, missing);
    for (const content of contents) {
      const size = found.get(keyString(content))?.size;
      if (size === content.size) continue;
      throw new DomainError(
        'invalid',
        `An entry says ${content.size} bytes of a content that has ${size ?? 'no'} bytes`,
      );
    }
    return (content) => found.get(keyString(content))?.no ?? fail();
  }
}

function fail(): never {
  throw new Error('a content reference was not looked up');
}

function missingChunks(run: RunGrant, missing: readonly ChunkKey[]): DomainError {
  return new DomainError(
    'missing-chunks',
    `The batch refers to ${missing.length} chunks that run ${run.runNumber} must upload first; it had no effect`,
    { details: { keysBase64: encodeKeys(missing).toString('base64') } },
  );
}

function contentsOf(changes: readonly DecodedChange[]): ContentRef[] {
  const contents: ContentRef[] = [];
  for (const change of changes) {
    if (change.type !== 'put') continue;
    if (change.entry.content !== null) contents.push(change.entry.content);
    if (change.entry.xattrContent !== undefined) contents.push(change.entry.xattrContent);
  }
  return contents;
}

/** Numbers of the paths of the batch and of the directories that they lie in. */
function concernedNumbers(changes: readonly DecodedChange[], numbers: ReadonlyMap<string, number>): number[] {
  const concerned = new Set<number>();
  const add = (path: Buffer): void => {
    const no = numbers.get(pathKey(path));
    if (no !== undefined) concerned.add(no);
  };
  for (const { path } of changes) {
    add(path);
    const { parent } = splitPath(path);
    if (parent.length > 0) add(parent);
  }
  return [...concerned];
}

function decodeBatch(body: Buffer, place: string): Batch {
  if (body.length > LIMITS.batchBytes) {
    throw new DomainError('too-large', `${place} has ${body.length} bytes; at most ${LIMITS.batchBytes} are taken`);
  }
  try {
    const { records, digest } = decodeRecords(body, 'changes', place);
    if (records.length > LIMITS.batchRecords) {
      throw new DomainError('too-large', `${place} has ${records.length} changes; at most ${LIMITS.batchRecords}`);
    }
    const changes = records.map((record, index) => {
      const where = `${place}, record ${index + 1}`;
      return decodedChange(decodeChange(record, where), where);
    });
    return { changes, digest };
  } catch (error) {
    // Bytes from the wire are the sender's mistake, not damage of ours.
    if (error instanceof CorruptError || error instanceof UnsupportedError) {
      throw new DomainError('invalid', error.message, { cause: error });
    }
    throw error;
  }
}
