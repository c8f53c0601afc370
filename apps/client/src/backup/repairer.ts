import { decodeDetection, decodeEntry, type Entry, keyString, splitPath } from '#engine';
import { DirectoryHandle } from '../system/directory-handle';
import { describeError, isSystemError } from '../system/error-code';
import { kindOf } from '../system/kind-of';
import type { Repair } from './batch-sender';
import { capture, type CaptureTools, type Subject } from './capture';
import type { ChunkSink, OfferedChunk } from './chunk-sink';
import { placeOnHost } from './host-root';
import type { ProblemLog } from './problem-log';
import { putStep } from './steps';
import type { Uploader } from './uploader';
import { type Step, Window, WINDOW_BYTES } from './window';

/** Sends at once what is read again: no more than one window in memory. */
class DirectSink implements ChunkSink {
  private readonly memory = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  private window = new Window(this.memory);

  constructor(private readonly uploader: Uploader) {}

  tryAdd(chunk: OfferedChunk): boolean {
    const key = keyString(chunk);
    return this.window.chunks.has(key) || this.window.tryAdd(key, chunk);
  }

  async add(chunk: OfferedChunk): Promise<void> {
    if (this.tryAdd(chunk)) return;
    await this.flush();
    this.tryAdd(chunk);
  }

  async flush(): Promise<void> {
    await this.uploader.upload(this.window.chunks, Promise.resolve());
    this.window = new Window(this.memory);
  }
}

/**
 * The server lost, or never had, chunks that a batch refers to (they were found damaged meanwhile, or reclaimed): reads
 * those files again by their path and sends what they hold now.
 */
export class Repairer implements Repair {
  constructor(
    private readonly uploader: Uploader,
    private readonly tools: Omit<CaptureTools, 'sink'>,
    private readonly problems: ProblemLog,
    private readonly hostRoot: Buffer,
  ) {}

  async again(step: Step): Promise<Step | null> {
    const { change } = step;
    if (change?.type !== 'put') return step;
    const { path } = change;
    const { parent, name } = path.length <= 1 ? { parent: path, name: Buffer.from('.') } : splitPath(path);
    let handle: DirectoryHandle | null = null;
    try {
      handle = DirectoryHandle.walk(placeOnHost(this.hostRoot, parent));
      const at = { parent: handle, name };
      const stat = handle.lstat(name);
      const kind = kindOf(stat);
      if (kind === 'socket' || kind !== step.line?.kind)
        return this.unsaved(step, 'it was replaced before it was stored');
      const { isMount } = decodeDetection(change.detection, 'change');
      return await this.read(step, { path, at, kind, stat, isMount });
    } catch (error) {
      // Only errors of the two calls above: capture translates those of the file, and the network's are no system call's.
      if (!isSystemError(error)) throw error;
      return this.unsaved(step, describeError(error));
    } finally {
      handle?.close();
    }
  }

  private async read(step: Step, subject: Subject): Promise<Step | null> {
    const sink = new DirectSink(this.uploader);
    const captured = await capture(subject, { ...this.tools, sink });
    await sink.flush();
    if (captured.type === 'unsaved') return this.unsaved(step, captured.reason);
    return putStep(subject.path, captured, step.oldLine);
  }

  giveUp(step: Step): Step | null {
    return this.unsaved(step, 'the server does not keep its content');
  }

  /** A directory must be there for what is in it: it goes without the attributes that cannot be stored. */
  private unsaved(step: Step, reason: string): Step | null {
    const { change, oldLine, line } = step;
    if (change?.type !== 'put') return step;
    this.problems.addUnsaved(change.path, reason);
    if (line?.kind !== 'directory') return null;
    const entry = withoutAttributes(decodeEntry(change.entry, 'change'));
    return putStep(change.path, { entry, detection: decodeDetection(change.detection, 'change') }, oldLine);
  }
}

function withoutAttributes(entry: Entry): Entry {
  const { kind, size, mtimeNs, mode, uid, gid, content } = entry;
  return { kind, size, mtimeNs, mode, uid, gid, content };
}
