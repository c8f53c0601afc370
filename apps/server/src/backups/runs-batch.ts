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
  UnsupportedError,
} from '#engine';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { CatalogPathsRepository, type PathNumbers } from './catalog-paths.repository';
import { CatalogWriteRepository } from './catalog-write.repository';
import type { NamedKey } from './chunk-rows';
import { ChunksRepository } from './chunks.repository';
import type { KnownDirectory } from './known-directories';
import { NO_PARENT } from './path-walk';
import { ManifestDrafts } from './manifest-drafts';
import { RunBatchesRepository } from './run-batches.repository';
import type { RunGrant } from './run-grant';
import { RunTouches } from './run-touches';
import { decodedChange, type DecodedChange, planBatch } from './runs-batch-plan';
import { assertOldBatch } from './runs-refusals';
import { RunsRepository } from './runs.repository';

/** Where a run's rows belong. */
export type RunPlace = Pick<RunGrant, 'taskNo' | 'runNumber' | 'domainNo'>;

interface Batch {
  readonly changes: readonly DecodedChange[];
  /** Of the stream that it came as: records, each after its length. */
  readonly payloads: readonly Buffer[];
  readonly digest: Buffer;
}

/** Repositories that a batch touches. */
@Injectable()
export class BatchRepositories {
  constructor(
    readonly runs: RunsRepository,
    readonly touched: RunBatchesRepository,
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
    private readonly drafts: ManifestDrafts,
  ) {}

  /**
   * All or nothing. An old number is acknowledged without effect. Throws `sequence-gap`, `run-over`, `run-committing`,
   * `invalid`, and `missing-chunks` with the keys in `details.keysBase64`: then the batch had no effect, the run goes
   * on, and the same number is expected again.
   */
  async apply(run: RunGrant, sequence: number, body: Buffer): Promise<BatchAnswer> {
    const batch = decodeBatch(body, `batch ${sequence} of run ${run.runNumber}`);
    const { answer, directories, drafted } = await this.database.write('runs.batch', async (tx) => {
      const { runs, touched } = this.repositories;
      const leaseUntil = (await tx.now()) + this.settings.runLeaseMs;
      // The fence first: it holds the run's row, so batches of a run come one by one and none comes after its end.
      const isItsTurn = await runs.moveFence(tx, run, { sequence, leaseUntil });
      const row = await runs.get(tx, { taskNo: run.taskNo, number: run.runNumber });
      if (!isItsTurn) {
        assertOldBatch(row, run, sequence);
        const met = new Map<string, KnownDirectory>();
        return { answer: { nextSequence: row.nextSequence }, directories: met, drafted: null };
      }
      const touches = new RunTouches();
      const met = await this.write(tx, run, batch.changes, { touches, damaged: 'missing' });
      const chainDigest = nextChainDigest(row.chainDigest, batch.digest);
      await touched.note(tx, row, { sequence, touches });
      await runs.recordBatch(tx, run, { changes: batch.changes.length, chainDigest, touches });
      const isCancelRequested = row.cancelRequestedAt !== null;
      const answer = { nextSequence: row.nextSequence, ...(isCancelRequested && { isCancelRequested }) };
      const isAllWritten = touches.written === batch.changes.length && touches.closed === 0;
      const drafted = row.parentRun === null ? { sequence, payloads: batch.payloads, isAllWritten } : null;
      return { answer, directories: met, drafted };
    });
    this.repositories.paths.remember(run.taskNo, directories);
    if (drafted !== null) await this.drafts.add({ ...run, number: run.runNumber }, drafted);
    return answer;
  }

  /**
   * The changes into the catalog, under the run's number; `touches` is told of every row. `damaged`: chunks that are damaged are missing, or
   * they are taken as they are, where nobody is there to send them. Returns the directories that they met or made, for
   * `CatalogPathsRepository.remember` once the transaction is committed. Throws `missing-chunks` and `invalid` as {@link apply} does.
   */
  async write(
    tx: Sql,
    run: RunPlace,
    changes: readonly DecodedChange[],
    { touches, damaged }: { touches: RunTouches; damaged: 'missing' | 'taken' },
  ): Promise<ReadonlyMap<string, KnownDirectory>> {
    const { paths, versions } = this.repositories;
    const key = { taskNo: run.taskNo, number: run.runNumber };
    const put = new Set(changes.filter(({ type }) => type === 'put').map((change) => change.key));
    const found = await paths.numberPaths(tx, run.taskNo, changes, put);
    const chunkNo = await this.checkChunks(tx, run, changes, damaged);
    const plan = planBatch(changes, {
      runNumber: run.runNumber,
      numbers: found.numbers,
      versions: await versions.versionsFor(tx, key, concernedNumbers(changes, found)),
      chunkNo,
    });
    // Close old, then insert new: at no time has a path two open versions.
    await versions.close(tx, key, plan.closings);
    await versions.insert(tx, key, plan.versions);
    await versions.updateDetections(tx, run.taskNo, plan.detections);
    touches.addClosed(plan.closings);
    touches.addWritten(plan.versions);
    await versions.closeDescendants(tx, key, { directories: plan.formerDirectories, touches });
    return directoriesOf(changes, found);
  }

  /**
   * Revives, then checks what the batch refers to, entries that will be dropped included: so a damaged chunk is asked
   * for again whenever somebody has its bytes at hand. Returns the number of a content's chunk.
   */
  private async checkChunks(
    tx: Sql,
    run: RunPlace,
    changes: readonly DecodedChange[],
    damaged: 'missing' | 'taken',
  ): Promise<(content: ContentRef) => number> {
    const { chunks } = this.repositories;
    const contents = contentsOf(changes).map((content) => ({ content, name: keyString(content) }));
    if (contents.length === 0) return () => fail();
    const keys = new Map<string, NamedKey>();
    for (const { content, name } of contents) keys.set(name, { id: content.id, height: content.height, name });
    const { missing, found } = await chunks.findNumbers(tx, run.domainNo, [...keys.values()]);
    const lacking =
      damaged === 'missing' ? missing : [...keys].flatMap(([name, key]) => (found.has(name) ? [] : [key]));
    if (lacking.length > 0) throw missingChunks(run, lacking);
    const numbers = new Map<ContentRef, number>();
    for (const { content, name } of contents) {
      const chunk = found.get(name);
      if (chunk?.size !== content.size) {
        throw new DomainError(
          'invalid',
          `An entry says ${content.size} bytes of a content that has ${chunk?.size ?? 'no'} bytes`,
        );
      }
      numbers.set(content, chunk.no);
    }
    return (content) => numbers.get(content) ?? fail();
  }
}

function fail(): never {
  throw new Error('a content reference was not looked up');
}

function missingChunks(run: RunPlace, missing: readonly ChunkKey[]): DomainError {
  return new DomainError(
    'missing-chunks',
    `The batch refers to ${missing.length} chunks that run ${run.runNumber} must upload first; it had no effect`,
    { details: { keysBase64: encodeKeys(missing).toString('base64') } },
  );
}

/** What the changes refer to. */
export function contentsOf(changes: readonly DecodedChange[]): ContentRef[] {
  const contents: ContentRef[] = [];
  for (const change of changes) {
    if (change.type !== 'put') continue;
    if (change.entry.content !== null) contents.push(change.entry.content);
    if (change.entry.xattrContent !== undefined) contents.push(change.entry.xattrContent);
  }
  return contents;
}

/** Numbers of the paths of the batch and of the directories that they lie in, but those that have no version yet. */
function concernedNumbers(changes: readonly DecodedChange[], { numbers, created }: PathNumbers): number[] {
  const concerned = new Set<number>();
  for (const { key, parentKey } of changes) {
    for (const no of [numbers.get(key), numbers.get(parentKey)]) {
      if (no !== undefined && !created.has(no)) concerned.add(no);
    }
  }
  return [...concerned];
}

/** The directories that the batch met, and those that it made: what they hold comes next. */
function directoriesOf(
  changes: readonly DecodedChange[],
  { numbers, created, directories }: PathNumbers,
): Map<string, KnownDirectory> {
  const met = new Map(directories);
  for (const change of changes) {
    const no = numbers.get(change.key);
    if (change.type !== 'put' || change.entry.kind !== 'directory' || no === undefined) continue;
    if (created.has(no)) met.set(change.key, { no, parentNo: numbers.get(change.parentKey) ?? NO_PARENT, isNew: true });
  }
  return met;
}

function decodeBatch(body: Buffer, place: string): Batch {
  if (body.length > LIMITS.batchBytes) {
    throw new DomainError('too-large', `${place} has ${body.length} bytes; at most ${LIMITS.batchBytes} are taken`);
  }
  try {
    const { records, payloads, digest } = decodeRecords(body, 'changes', place);
    if (records.length > LIMITS.batchRecords) {
      throw new DomainError('too-large', `${place} has ${records.length} changes; at most ${LIMITS.batchRecords}`);
    }
    let near: string | undefined;
    const changes = records.map((record, index) => {
      const where = `${place}, record ${index + 1}`;
      const change = decodedChange(decodeChange(record, where), where, near);
      near = change.parentKey;
      return change;
    });
    return { changes, payloads, digest };
  } catch (error) {
    // Bytes from the wire are the sender's mistake, not damage of ours.
    if (error instanceof CorruptError || error instanceof UnsupportedError) {
      throw new DomainError('invalid', error.message, { cause: error });
    }
    throw error;
  }
}
