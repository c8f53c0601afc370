import { type CommitRequest, type StartRunAnswer } from '#common';
import { type IndexHeader, nodeCompressor } from '#engine';
import type { Body, RunToken, ServerApi } from '../server-api/server-api';
import { nativeCalls, nativeCallsProblem } from '../system/native-calls';
import type { HeldCompressor } from '../system/zstd-calls';
import type { BackupOptions, BackupOutcome, BackupStats } from './backup';
import { BatchSender } from './batch-sender';
import type { CaptureTools } from './capture';
import { ContentReader } from './content-reader';
import { HardLinks } from './hard-links';
import { IndexWriter } from './index-writer';
import { LinkedContents } from './linked-contents';
import type { OldIndex } from './old-index';
import { ProblemLog } from './problem-log';
import { Repairer } from './repairer';
import { RecentFiles } from './recent-files';
import { rootsThatAreLinks } from './roots';
import { Walk } from './scanner';
import type { Selection } from './selection';
import { Sender } from './sender';
import { TreeMerge } from './tree-merge';
import { Uploader } from './uploader';

const LINK_NOTE =
  'is a symbolic link: the link was saved, not what it leads to; to follow it, write the path with a slash at its end';

export interface RunWorkParts {
  readonly selection: Selection;
  readonly run: RunToken;
  readonly answer: StartRunAnswer;
  readonly api: ServerApi;
  readonly level: number;
  readonly draftIndexPath: string;
  readonly nextHeader: IndexHeader;
  readonly onProgress: BackupOptions['onProgress'];
  readonly signal: AbortSignal;
}

/** Everything between the start of a run and its commit: scan, merge, read, send. */
export class RunWork {
  private readonly problems = new ProblemLog();
  private readonly compressor: HeldCompressor;
  private readonly uploader: Uploader;
  private readonly batches: BatchSender;
  private readonly index: IndexWriter;
  private readonly sender: Sender;
  private readonly tools: CaptureTools;
  private readBytes = 0;
  private entries = 0;
  private expectedEntries: number | null = null;
  private currentPath: Buffer = Buffer.from('/');

  constructor(private readonly parts: RunWorkParts) {
    const { api, run, level } = parts;
    const native = nativeCalls();
    const onUploaded = (): void => {
      this.report();
    };
    this.compressor = native?.zstd?.compressor(level) ?? { compress: nodeCompressor(level), close: () => undefined };
    this.uploader = new Uploader(api, run, this.compressor.compress, onUploaded, parts.signal);
    const now = () => Date.now();
    const common = {
      native,
      hardLinks: new HardLinks(),
      recentFiles: new RecentFiles({ writeBack: native?.writeBack ?? null, now }),
      now,
      onBytes: (count: number) => {
        parts.signal.throwIfAborted();
        this.readBytes += count;
        this.report();
      },
    };
    // A reader of its own: files are read again while the next ones are read.
    const repairer = new Repairer(
      this.uploader,
      { ...common, reader: new ContentReader(native), linkedContents: null },
      this.problems,
      parts.selection.hostRoot,
    );
    this.batches = new BatchSender(api, run, repairer);
    this.index = new IndexWriter(parts.draftIndexPath, parts.nextHeader);
    this.sender = new Sender(this.uploader, this.batches, this.index, () => this.sendFullProblems());
    this.tools = {
      ...common,
      reader: new ContentReader(native),
      linkedContents: new LinkedContents(),
      sink: this.sender,
    };
  }

  /** When it resolves, everything was sent and the draft of the next index is complete: the body of the commit. */
  async perform(old: OldIndex): Promise<Body<CommitRequest>> {
    const { selection, answer, signal } = this.parts;
    this.expectedEntries = old.count;
    const reason = nativeCallsProblem();
    if (reason !== null) this.problems.addNote(Buffer.from('/'), `extended attributes are not saved: ${reason}`);
    for (const root of rootsThatAreLinks(selection.roots, selection.hostRoot)) {
      if (selection.isSelected(root, false)) this.problems.addNote(root, LINK_NOTE);
    }
    const merge = new TreeMerge({
      selection,
      tools: this.tools,
      sender: this.sender,
      problems: this.problems,
      readAgain: new Set(answer.readAgainBase64.map((path) => Buffer.from(path, 'base64').toString('latin1'))),
      onPaths: (count, path) => {
        signal.throwIfAborted();
        this.entries += count;
        this.currentPath = path ?? this.currentPath;
        this.report();
      },
    });
    const onNote = (path: Buffer, note: string) => {
      this.problems.addNote(path, note);
    };
    try {
      await merge.run(
        old.lines,
        new Walk(selection, { onNote }, this.tools.native?.look ?? null, this.tools.hardLinks),
      );
    } finally {
      old.close();
    }
    await this.sender.finish();
    await this.sendProblems();
    this.index.finish();
    return {
      batches: this.batches.batches,
      changes: this.batches.changes,
      digest: this.batches.digest.toString('hex'),
      outcome: this.problems.unsavedCount > 0 ? 'partial' : 'succeeded',
      files: this.index.files,
      directories: this.index.directories,
      logicalBytes: this.index.logicalBytes,
      readBytes: this.readBytes,
      unsavedCount: this.problems.unsavedCount,
    };
  }

  outcome(): Omit<BackupOutcome, 'state' | 'stampMs'> {
    const { unsaved, unsavedCount, notes, noteCount } = this.problems;
    return { runId: this.parts.run.runId, stats: this.stats(), unsaved, unsavedCount, notes, noteCount };
  }

  /** May be called twice. */
  close(): void {
    this.compressor.close();
    this.index.close();
  }

  private stats(): BackupStats {
    const { newChunks, uploadedBytes, storedBytes } = this.uploader.stats;
    const { files, directories, logicalBytes } = this.index;
    const { changes } = this.batches;
    return {
      files,
      directories,
      logicalBytes,
      changes,
      readBytes: this.readBytes,
      newChunks,
      uploadedBytes,
      storedBytes,
    };
  }

  private async sendFullProblems(): Promise<void> {
    if (this.problems.isFull) await this.sendProblems();
  }

  private async sendProblems(): Promise<void> {
    for (let items = this.problems.take(); items.length > 0; items = this.problems.take()) {
      await this.parts.api.sendProblems(this.parts.run, items);
    }
  }

  private report(): void {
    this.parts.onProgress?.({
      entries: this.entries,
      expectedEntries: this.expectedEntries,
      bytesRead: this.readBytes,
      bytesUploaded: this.uploader.stats.uploadedBytes,
      currentPath: this.currentPath,
    });
  }
}
