import { type CloseReason, type IndexLines, InvalidError, isUnchanged, isWithin, splitPath } from '#engine';
import { describeError, isSystemError } from '../system/error-code';
import { kindOf } from '../system/kind-of';
import { Absence } from './absence';
import { Breather } from './breathe';
import { capture, type Captured, type CaptureTools } from './capture';
import { CarriedStretch } from './carried-stretch';
import { decide, type Decision, type DirectoryState, type NowFacts, wasSubvolume } from './decide';
import type { ProblemLog } from './problem-log';
import type { Seen, Sighting, Walk } from './scanner';
import type { Selection } from './selection';
import type { Sender } from './sender';
import { carryLinesStep, carryStep, closeStep, type OldVersion, openVersion, putStep } from './steps';
import type { IndexLine, Step } from './window';

export interface TreeMergeParts {
  readonly selection: Selection;
  readonly tools: CaptureTools;
  readonly sender: Sender;
  readonly problems: ProblemLog;
  /** Paths (latin1) to read although they look unchanged. */
  readonly readAgain: ReadonlySet<string>;
  /** Called with the number of paths since the last call, and the path at hand if that is known. Throws to end the run. */
  readonly onPaths: (count: number, path: Buffer | null) => void;
}

/** Its code in a QuickSighting. */
const DIRECTORY = 2;

const LOST_MOUNT = 'a file system was mounted here and is not now: what was saved of it is kept';

type KeepReason = Extract<Decision, { do: 'keep' }>['why'];

/** A directory that the merge is in. */
interface Frame {
  readonly path: Buffer;
  readonly state: DirectoryState;
  /** What is sent when everything in it was: its own closing, or the file that took its place. */
  leaving: Step | null;
  /** What stays of it when its own closing is taken back; null: it is not being closed. */
  closing: IndexLine | null;
}

/**
 * Merges what the last run saw with what is there, both in walk order, and sends what follows from it. Closings of a
 * directory's content are sent before its own closing or replacement (the stack of open directories holds those back),
 * so the server never has to look for what is below.
 */
export class TreeMerge {
  private readonly frames: Frame[] = [];
  private readonly breather = new Breather();
  private readonly absence: Absence;
  private readonly carried = new CarriedStretch();
  /** The walk's directory that is known to be the top of the frames. */
  private settledIn: object | null = null;

  constructor(private readonly parts: TreeMergeParts) {
    this.absence = new Absence(parts.selection.hostRoot);
  }

  /** `old`: verified, in walk order; null before the task's first run. */
  async run(old: IndexLines | null, walk: Walk): Promise<void> {
    try {
      await this.merge(old, walk);
    } finally {
      this.absence.close();
      walk.close();
    }
  }

  private async merge(old: IndexLines | null, walk: Walk): Promise<void> {
    let hasOld = old?.next() === true;
    let hasNow = walk.next();
    while (hasOld || hasNow) {
      const order = this.order(hasOld ? old : null, hasNow ? walk : null);
      if (order !== 0 || old === null || !this.isCarriedQuietly(old, walk)) {
        // Most paths are dealt with at once: nothing is awaited for them.
        const visiting = this.visitNext(order <= 0 ? old : null, order >= 0 ? walk : null);
        if (visiting !== undefined) await visiting;
        const pause = this.breather.breathe();
        if (pause !== undefined) await pause;
      } else if (this.carried.mustBeSent) {
        await this.sendCarried();
      }
      if (order <= 0) hasOld = old?.next() === true;
      if (order >= 0) hasNow = walk.next();
    }
    await this.sendCarried();
    await this.leaveAllBut(null);
  }

  private isLeaving(path: Buffer): boolean {
    const top = this.frames.at(-1);
    return top !== undefined && !isWithin(path, top.path);
  }

  private order(old: IndexLines | null, walk: Walk | null): number {
    if (old === null) return 1;
    return walk === null ? -1 : old.compareTo(walk.parent, walk.name, walk.nameLength);
  }

  /** The one case that is most of a run: told by one system call and a look at the old line's bytes, which are written on. */
  private isCarriedQuietly(old: IndexLines, walk: Walk): boolean {
    const now = walk.quick();
    if (now === null || !old.isUnchanged(now)) return false;
    if (this.settledIn !== walk.directory && !this.settle(walk)) return false;
    if (this.parts.readAgain.size > 0 && this.parts.readAgain.has(old.path.toString('latin1'))) return false;
    if (now.kind === DIRECTORY) {
      const path = walk.enterQuietly();
      if (path === null) return false;
      this.push(path, 'listed', null);
      this.settledIn = null;
    }
    this.carried.add(old, now);
    return true;
  }

  /** Leaves directories until the one that the walk is in is the top; false: there is something to send with that. */
  private settle(walk: Walk): boolean {
    const { frames } = this;
    for (let top = frames.at(-1); top !== undefined; top = frames.at(-1)) {
      if (top.path.equals(walk.parent)) {
        this.settledIn = walk.directory;
        return top.state === 'listed';
      }
      if (top.leaving !== null) return false;
      frames.pop();
    }
    return false;
  }

  /** Everything else: what the old index says of the path, and what is there, with whatever follows from it. */
  private visitNext(old: IndexLines | null, walk: Walk | null): Promise<void> | undefined {
    if (this.carried.isEmpty) return this.visitNow(old, walk);
    return this.sendCarried().then(() => this.visitNow(old, walk));
  }

  private visitNow(old: IndexLines | null, walk: Walk | null): Promise<void> | undefined {
    const version = old === null ? null : openVersion(old.record());
    const now = walk === null ? null : walk.look();
    const isLeftOut = walk?.isLeftOut === true;
    const path = now?.path ?? version?.line.record.path;
    // Excluded now, and not known: nobody asked for it.
    if (path === undefined) return undefined;
    this.parts.onPaths(1, path);
    this.settledIn = null;
    if (this.isLeaving(path)) return this.leaveAllBut(path).then(() => this.visit(path, version, now, isLeftOut));
    return this.visit(path, version, now, isLeftOut);
  }

  private async sendCarried(): Promise<void> {
    const lines = this.carried.take();
    if (lines === null) return;
    this.parts.onPaths(lines.count, null);
    await this.parts.sender.step(carryLinesStep(lines));
    await this.breather.breathe();
  }

  /** Leaves the directories that `path` is not in. */
  private async leaveAllBut(path: Buffer | null): Promise<void> {
    for (let top = this.frames.at(-1); top !== undefined; top = this.frames.at(-1)) {
      if (path !== null && isWithin(path, top.path)) return;
      this.frames.pop();
      if (top.leaving !== null) await this.parts.sender.step(top.leaving);
    }
  }

  private visit(
    path: Buffer,
    old: OldVersion | null,
    now: Sighting | null,
    isLeftOut: boolean,
  ): Promise<void> | undefined {
    const { selection } = this.parts;
    const seen = now?.type === 'seen' ? now : null;
    if (seen?.kind === 'directory') this.parts.tools.hardLinks.seeDirectory(seen.stat.dev, path);
    const isOldDirectory = old?.entry.kind === 'directory';
    const isOldMount = old?.detection.isMount === true && !wasSubvolume(old.detection, seen);
    const decision = decide({
      old: old === null ? null : { isDirectory: isOldDirectory, isMount: isOldMount },
      now: now === null ? null : this.factsOf(now, old),
      isSelected: now !== null || (!isLeftOut && selection.isSelected(path, isOldDirectory)),
      parent: this.parentState(path),
    });
    return this.act(decision, path, old, now);
  }

  /** Undefined: nothing need be waited for. */
  private act(
    decision: Decision,
    path: Buffer,
    old: OldVersion | null,
    now: Sighting | null,
  ): Promise<void> | undefined {
    const seen = now?.type === 'seen' ? now : null;
    switch (decision.do) {
      case 'save':
        return seen === null ? undefined : this.save(seen, old);
      case 'carry':
        if (seen?.kind === 'directory') this.enter(seen);
        return old === null ? undefined : this.parts.sender.step(carryStep(old.line));
      case 'keep':
        return this.keep(decision.why, path, old, now);
      case 'close':
        return old === null ? undefined : this.close(path, old, decision.reason);
      case 'ignore':
        if (now?.type === 'unavailable') this.parts.problems.addUnsaved(path, now.reason);
        if (seen?.kind === 'directory') this.shut(path, seen);
        return undefined;
    }
  }

  private async keep(why: KeepReason, path: Buffer, old: OldVersion | null, now: Sighting | null): Promise<void> {
    const { sender, problems } = this.parts;
    const seen = now?.type === 'seen' ? now : null;
    if (this.parentState(path) === 'gone') await this.takeBackClosings();
    if (why === 'lost-mount') {
      const isTaken = seen !== null && (seen.kind !== 'directory' || seen.hasContent);
      problems.addUnsaved(path, isTaken ? `${LOST_MOUNT}. What is there now is not saved` : LOST_MOUNT);
    } else if (now?.type === 'unavailable') {
      problems.addUnsaved(path, now.reason);
    } else if (this.parentState(path) !== 'kept') {
      problems.addUnsaved(path, 'whether it still exists cannot be told: what was saved of it is kept');
    }
    if (old !== null) await sender.step(carryStep(old.line));
    if (old?.entry.kind === 'directory' || seen?.kind === 'directory') this.shut(path, seen);
  }

  private async close(path: Buffer, old: OldVersion, reason: CloseReason): Promise<void> {
    const isDirectory = old.entry.kind === 'directory';
    const doubt = reason === 'deleted' && this.parentState(path) === 'listed' ? this.doubtAbout(path) : null;
    if (doubt !== null) {
      this.parts.problems.addUnsaved(path, doubt);
      await this.parts.sender.step(carryStep(old.line));
      if (isDirectory) this.shut(path, null);
      return;
    }
    const step = closeStep(path, reason);
    if (!isDirectory) await this.parts.sender.step(step);
    else if (reason === 'deselected') this.push(path, 'deselected', step);
    else this.push(path, this.parentState(path) === 'replaced' ? 'replaced' : 'gone', step, old.line);
  }

  /** Why a path that its directory did not list may still be there; null: it is gone, or is nothing that is saved. */
  private doubtAbout(path: Buffer): string | null {
    try {
      const stat = this.absence.lookAgain(path);
      if (stat === null) return null;
      const kind = kindOf(stat);
      if (kind === 'socket' || !this.parts.selection.isSelected(path, kind === 'directory')) return null;
      return 'it was left out when its directory was listed, but is there: what was saved of it is kept';
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return `whether it still exists cannot be told (${describeError(error)}): what was saved of it is kept`;
    }
  }

  /**
   * A mount point went with the directories above it: they stay, as the way to what is kept. All that was in them came
   * to be closed so far, so their lines of the next index can still be written in walk order.
   */
  private async takeBackClosings(): Promise<void> {
    for (const frame of this.frames) {
      if (frame.closing === null) continue;
      await this.parts.sender.step(carryStep(frame.closing));
      frame.leaving = null;
      frame.closing = null;
    }
  }

  private save(seen: Seen, old: OldVersion | null): Promise<void> | undefined {
    const captured = capture(seen, this.parts.tools);
    if (captured instanceof Promise) return captured.then((later) => this.send(seen, old, later));
    return this.send(seen, old, captured);
  }

  private send(seen: Seen, old: OldVersion | null, captured: Captured): Promise<void> | undefined {
    const { path } = seen;
    const { sender } = this.parts;
    const step = this.stepOf(seen, old, captured);
    const isOldDirectory = old?.entry.kind === 'directory';
    if (step === null) {
      // Never a closing: the old version stays, and so does what is below it.
      if (isOldDirectory || seen.kind === 'directory') this.shut(path, seen);
      return old === null ? undefined : sender.step(carryStep(old.line));
    }
    if (isOldDirectory && seen.kind !== 'directory') {
      this.push(path, 'replaced', step);
      return undefined;
    }
    if (seen.kind === 'directory') this.enter(seen);
    return sender.step(step);
  }

  /** Null when it could not be saved; the reason is in the log. */
  private stepOf(seen: Seen, old: OldVersion | null, captured: Captured): Step | null {
    const { problems } = this.parts;
    if (captured.type === 'unsaved') {
      problems.addUnsaved(seen.path, captured.reason);
      return null;
    }
    if (captured.problem !== null) problems.addUnsaved(seen.path, captured.problem);
    try {
      return putStep(seen.path, captured, old?.line ?? null);
    } catch (error) {
      if (!(error instanceof InvalidError)) throw error;
      problems.addUnsaved(seen.path, error.message);
      return null;
    }
  }

  private factsOf(now: Sighting, old: OldVersion | null): NowFacts {
    if (now.type === 'unavailable')
      return { isAvailable: false, isDirectory: false, isMount: false, isUnchanged: false };
    return {
      isAvailable: true,
      isDirectory: now.kind === 'directory',
      isMount: now.isMount,
      isUnchanged: old !== null && this.looksUnchanged(now, old),
    };
  }

  private looksUnchanged({ path, stat, kind, isMount }: Seen, old: OldVersion): boolean {
    const sighting = {
      kind,
      size: Number(stat.size),
      mtimeNs: stat.mtimeNs,
      ctimeNs: stat.ctimeNs,
      inode: BigInt.asUintN(64, stat.ino),
    };
    if (!isUnchanged(old, sighting) || old.detection.isMount !== isMount) return false;
    // Groups are named after what this run sees: with other roots, all names of one file must get the new number.
    if (old.entry.hardLinkGroup !== this.parts.tools.hardLinks.groupOf(stat, path)) return false;
    return this.parts.readAgain.size === 0 || !this.parts.readAgain.has(path.toString('latin1'));
  }

  /** Of the directory that `path` stands in; null when that is not the one that was visited last. */
  private parentState(path: Buffer): DirectoryState | null {
    const top = this.frames.at(-1);
    if (top === undefined || path.length <= 1) return null;
    return top.path.equals(splitPath(path).parent) ? top.state : null;
  }

  private enter(directory: Seen): void {
    const { listing, path } = directory;
    if (listing === 'towards-roots') this.push(path, 'towards-roots', null);
    else if (listing === 'whole') this.push(path, 'listed', null);
    else if (listing === 'left-out') this.push(path, 'deselected', null);
    else {
      this.parts.problems.addUnsaved(path, listing?.failed ?? 'the directory was not listed');
      this.push(path, 'kept', null);
    }
  }

  /** Nothing is known, or wanted, of what is in it now: what was saved of it stays. */
  private shut(path: Buffer, seen: Seen | null): void {
    seen?.skipContent();
    this.push(path, 'kept', null);
  }

  private push(path: Buffer, state: DirectoryState, leaving: Step | null, closing: IndexLine | null = null): void {
    // A copy: paths of the old index are views that would hold a whole frame of the file in memory.
    this.frames.push({ path: Buffer.from(path), state, leaving, closing });
  }
}
