import { Inject, Injectable, Logger } from '@nestjs/common';
import { type Storage, STORAGE } from '../storage/storage';
import { ManifestDraft } from './manifest-draft';
import type { RunKey } from './run-row';

/** Each is a number in memory. */
const MAX_BATCHES = 100_000;

/** A batch whose transaction is committed. */
export interface DraftedBatch {
  readonly sequence: number;
  readonly payloads: readonly Buffer[];
  /** Each of its changes is a version that the run wrote, and it did nothing else: then they are what the manifest says of it. */
  readonly isAllWritten: boolean;
}

/**
 * Drafts of the manifests of first runs: such a run has changed all that its task has, and reading that again at the commit took
 * a tenth of a first backup's time. A draft only saves time. It is of this process alone; when a batch went through another server, or did
 * more or less than write what it brought, or the disk failed, there is none, and the manifest comes from the catalog.
 */
@Injectable()
export class ManifestDrafts {
  private readonly logger = new Logger(ManifestDrafts.name);
  /** Of all drafts on the disk: those of more than three million files. */
  protected readonly maxBytes: number = 256 * 1024 * 1024;
  /** The one that has waited longest for a batch is first. */
  private readonly drafts = new Map<string, { readonly run: RunKey; readonly draft: ManifestDraft }>();

  constructor(@Inject(STORAGE) private readonly storage: Storage) {}

  /** Never throws. Whoever sends batches is held up when they cannot be written as fast. */
  async add(run: RunKey & { readonly runId: string }, batch: DraftedBatch): Promise<void> {
    const { runId } = run;
    const { sequence, payloads, isAllWritten } = batch;
    const draft = sequence === 1 ? new ManifestDraft(this.storage.spoolDir) : this.find(runId);
    if (draft === null) return;
    if (draft.batches !== sequence - 1 || !isAllWritten || sequence > MAX_BATCHES) return this.forget(runId);
    this.drafts.delete(runId);
    this.drafts.set(runId, { run, draft });
    try {
      await draft.add(payloads);
    } catch (error) {
      this.logger.warn(`The draft of the manifest of run ${runId} is given up: ${String(error)}`);
      await this.forget(runId);
    }
    await this.makeRoom();
  }

  find(runId: string): ManifestDraft | null {
    return this.drafts.get(runId)?.draft ?? null;
  }

  /** Forgets those of runs that ended elsewhere. */
  async keepOnly(isOn: (run: RunKey) => Promise<boolean>): Promise<void> {
    for (const [runId, { run }] of [...this.drafts]) if (!(await isOn(run))) await this.forget(runId);
  }

  /** The run is over, or its draft is of no use. */
  async forget(runId: string): Promise<void> {
    const draft = this.find(runId);
    this.drafts.delete(runId);
    await draft?.remove().catch((error: unknown) => {
      this.logger.warn(`The draft of the manifest of run ${runId} could not be removed: ${String(error)}`);
    });
  }

  private async makeRoom(): Promise<void> {
    let bytes = 0;
    for (const { draft } of this.drafts.values()) bytes += draft.bytes;
    for (const [runId, { draft }] of [...this.drafts]) {
      if (bytes <= this.maxBytes) return;
      bytes -= draft.bytes;
      await this.forget(runId);
    }
  }
}
