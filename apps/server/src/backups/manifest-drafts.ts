import { Inject, Injectable, Logger } from '@nestjs/common';
import { type Storage, STORAGE } from '../storage/storage';
import { ManifestDraft } from './manifest-draft';

/** The one that has waited longest for a batch goes: its run ended elsewhere, or reads its task at the commit. */
const MAX_DRAFTS = 256;
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
  private readonly drafts = new Map<string, ManifestDraft>();

  constructor(@Inject(STORAGE) private readonly storage: Storage) {}

  /** Never throws. Whoever sends batches is held up when they cannot be written as fast. */
  async add(runId: string, { sequence, payloads, isAllWritten }: DraftedBatch): Promise<void> {
    const draft = sequence === 1 ? new ManifestDraft(this.storage.spoolDir) : this.drafts.get(runId);
    if (draft === undefined) return;
    if (draft.batches !== sequence - 1 || !isAllWritten || sequence > MAX_BATCHES) {
      await this.forget(runId);
      return;
    }
    this.drafts.delete(runId);
    this.drafts.set(runId, draft);
    const [oldest] = this.drafts.keys();
    if (this.drafts.size > MAX_DRAFTS && oldest !== undefined) await this.forget(oldest);
    try {
      await draft.add(payloads);
    } catch (error) {
      this.logger.warn(`The draft of the manifest of run ${runId} is given up: ${String(error)}`);
      await this.forget(runId);
    }
  }

  find(runId: string): ManifestDraft | null {
    return this.drafts.get(runId) ?? null;
  }

  /** The run is over. */
  async forget(runId: string): Promise<void> {
    const draft = this.drafts.get(runId);
    this.drafts.delete(runId);
    await draft?.remove().catch((error: unknown) => {
      this.logger.warn(`The draft of the manifest of run ${runId} could not be removed: ${String(error)}`);
    });
  }
}
