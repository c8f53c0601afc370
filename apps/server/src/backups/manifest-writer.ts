import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { type Change, encodeChange, encodeManifestHeader, manifestKey, RecordStreamEncoder, voidKey } from '#engine';
import { Database } from '../database/database';
import { type Storage, STORAGE } from '../storage/storage';
import { storageError } from '../storage/storage-error';
import { ManifestChanges } from './manifest-changes';
import type { ManifestDraft } from './manifest-draft';
import { ManifestDrafts } from './manifest-drafts';
import type { RunRow } from './run-row';
import { decodeRoots, RunsRepository } from './runs.repository';

/** Puts the body of a manifest through its encoder. False: it is not all that the run changed, and why was said. */
type Body = (encoder: RecordStreamEncoder, write: (bytes: Buffer) => Promise<void>) => Promise<boolean>;

/** Puts into storage what a rebuild of the catalog needs to know about a run. */
@Injectable()
export class ManifestWriter {
  private readonly logger = new Logger(ManifestWriter.name);

  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly runs: RunsRepository,
    private readonly changes: ManifestChanges,
    private readonly drafts: ManifestDrafts,
  ) {}

  /**
   * Stores the manifest of a run that is committing. One that is there already is the same, and is put again: that it can
   * be seen does not say that it is durable (its put may have been cut off). Does nothing when another server has brought
   * the run to its end meanwhile: only as long as it is committing do its rows stay what they are.
   *
   * `touched`: see RunBatchesRepository.touchedPaths. A manifest that lacks a change loses data at a rebuild, so what is found
   * at these paths counts only when it is as much as the run counted while it wrote, and the draft of a first run only when it is the
   * very batches that agent and server agreed on. Else the task is read. Returns `touched`, and null when it was not all.
   */
  async writeManifest(run: RunRow, touched: readonly number[] | null): Promise<readonly number[] | null> {
    if (touched !== null && (await this.write(run, this.bodyAt(run, touched)))) return touched;
    const draft = touched === null ? this.drafts.find(run.runId) : null;
    if (draft !== null) {
      if (await this.write(run, this.bodyOf(run, draft))) return null;
      // It takes the room that another manifest needs.
      await this.drafts.forget(run.runId);
    }
    await this.write(run, (encoder, write) => addPages(encoder, this.changes.all(run), write).then(() => true));
    return null;
  }

  /** Whether storage has a manifest of the run, whole or not. */
  async isStored(run: RunRow): Promise<boolean> {
    return (await this.storage.stat(manifestKey(run.taskId, run.number, run.runId))) !== null;
  }

  /** Stores the record that the run is void, whatever manifest of it there is or still comes. Idempotent. */
  async writeVoid(run: RunRow): Promise<void> {
    const encoder = new RecordStreamEncoder('manifest');
    const head = encoder.add(headerOf(run));
    const bytes = Buffer.concat([head ?? Buffer.alloc(0), encoder.finish()]);
    await this.storage.put(voidKey(run.taskId, run.number, run.runId), { bytes });
  }

  /** The run is over. */
  forgetDraft(run: RunRow): Promise<void> {
    return this.drafts.forget(run.runId);
  }

  /** Of runs that another server brought to their end. */
  forgetDraftsOver(): Promise<void> {
    return this.drafts.keepOnly(async (key) => {
      const active = await this.database.read((sql) => this.runs.findActive(sql, key.taskNo));
      return active?.number === key.number && active.state !== 'undoing';
    });
  }

  /** False when the body was not all: then nothing was stored. */
  private async write(run: RunRow, body: Body): Promise<boolean> {
    const key = manifestKey(run.taskId, run.number, run.runId);
    const file = join(this.storage.spoolDir, `manifest-${randomUUID()}`);
    try {
      const length = await spool(run, body, file);
      // Looked at when all was read: retention, or an undo, may have taken rows before that.
      const { state } = await this.database.read((sql) => this.runs.get(sql, run));
      if (state !== 'committing') return true;
      if (length === null) return false;
      await this.storage.put(key, { file, length });
      return true;
    } finally {
      await rm(file, { force: true });
    }
  }

  private bodyAt(run: RunRow, touched: readonly number[]): Body {
    return async (encoder, write) => {
      const found = await addPages(encoder, this.changes.at(run, touched), write);
      const counted = run.versionsWritten + run.versionsEnded;
      if (found === counted) return true;
      return this.refuse(run, `${found} of ${counted} changes were found at the paths that its batches named`);
    };
  }

  /** The draft counts when it was read back as all of the run's batches, and these did nothing but write what they brought. */
  private bodyOf(run: RunRow, draft: ManifestDraft): Body {
    return async (encoder, write) => {
      let held;
      try {
        held = await draft.copyTo(encoder, write);
      } catch (error) {
        // With the draft gone there may be room for the other.
        return this.refuse(run, `the draft of its manifest cannot be used: ${String(error)}`);
      }
      const { batches, changes, chainDigest } = held;
      const isAllBatches = batches === run.nextSequence - 1 && chainDigest.equals(run.chainDigest);
      const isAllWritten =
        run.countedBatches === batches && run.versionsWritten === changes && run.versionsClosed === 0;
      if (isAllBatches && isAllWritten) return true;
      return this.refuse(run, `the draft of its manifest has ${changes} changes in ${batches} batches`);
    };
  }

  private refuse(run: RunRow, why: string): false {
    this.logger.warn(`Run ${run.runId}: ${why}; its manifest comes from all of the task`);
    return false;
  }
}

/** To a file: a first run's manifest is as large as its catalog. Its length; null when the body was not all. */
async function spool(run: RunRow, body: Body, file: string): Promise<number | null> {
  const handle = await open(file, 'wx', 0o600).catch(failed);
  let length = 0;
  const write = async (bytes: Buffer): Promise<void> => {
    length += await append(handle, bytes);
  };
  try {
    const encoder = new RecordStreamEncoder('manifest', 'compressed');
    const head = encoder.add(headerOf(run));
    if (head !== null) await write(head);
    if (!(await body(encoder, write))) return null;
    await write(encoder.finish());
    return length;
  } finally {
    await handle.close();
  }
}

/** Page by page; returns how many changes they were. */
async function addPages(
  encoder: RecordStreamEncoder,
  pages: AsyncIterable<readonly Change[]>,
  write: (bytes: Buffer) => Promise<void>,
): Promise<number> {
  let count = 0;
  for await (const changes of pages) {
    for (const change of changes) {
      const ready = encoder.add(encodeChange(change));
      if (ready !== null) await write(ready);
    }
    count += changes.length;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return count;
}

function headerOf(run: RunRow): Buffer {
  return encodeManifestHeader({
    runId: run.runId,
    parentRunId: run.parentRunId,
    taskId: run.taskId,
    number: run.number,
    stampMs: run.stampMs ?? 0,
    outcome: run.outcome === 'partial' ? 'partial' : 'succeeded',
    platform: run.platform,
    chunkerId: run.chunkerId,
    roots: decodeRoots(run.roots).map((root) => Buffer.from(root, 'base64')),
  });
}

async function append(handle: FileHandle, bytes: Buffer): Promise<number> {
  await handle.appendFile(bytes).catch(failed);
  return bytes.length;
}

function failed(error: unknown): never {
  throw storageError('spool', 'a manifest', error);
}
