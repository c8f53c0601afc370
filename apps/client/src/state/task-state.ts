import { createHash } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { KillPoints } from '#common';
import { makeStateDirectory, renameDurably } from './durable-write';
import { RunFile } from './run-file';
import { TaskLock } from './task-lock';

/** The files that the agent keeps of one task: a directory under the state directory. */
export class TaskState {
  /** What the last committed run saw: see engine, index-file. */
  readonly indexPath: string;
  /** What the run in flight will have seen, complete before it commits. */
  readonly nextIndexPath: string;
  /** An index on its way from the server. */
  readonly fetchedIndexPath: string;
  readonly runFile: RunFile;
  private readonly directory: string;

  constructor(
    stateDir: string,
    readonly taskName: string,
    private readonly killPoints: KillPoints,
  ) {
    this.directory = join(stateDir, 'tasks', directoryName(taskName));
    this.indexPath = join(this.directory, 'index');
    this.nextIndexPath = join(this.directory, 'index.next');
    this.fetchedIndexPath = join(this.directory, 'index.fetched');
    this.runFile = new RunFile(join(this.directory, 'run.json'), killPoints);
  }

  /** Throws TaskBusyError. The other methods, and the files, are for who holds the lock. */
  lock(): TaskLock {
    makeStateDirectory(this.directory);
    return TaskLock.acquire(join(this.directory, 'lock'), this.taskName);
  }

  /** Where index.next is written until it is complete. */
  get draftIndexPath(): string {
    return `${this.nextIndexPath}.tmp`;
  }

  /** The draft (written and synced) becomes index.next. */
  finishNextIndex(): void {
    renameDurably(this.draftIndexPath, this.nextIndexPath, 'state.index-next', this.killPoints);
  }

  /** index.next becomes the index. Nothing happens when that was done already. */
  adoptNextIndex(): void {
    if (!existsSync(this.nextIndexPath)) return;
    renameDurably(this.nextIndexPath, this.indexPath, 'state.index-adopted', this.killPoints);
  }

  /** The run in flight is over and was not committed: what it wrote is worth nothing. */
  discardNextIndex(): void {
    for (const path of [this.draftIndexPath, this.nextIndexPath, this.fetchedIndexPath]) rmSync(path, { force: true });
  }
}

/** A task's name may hold any character: what is safe stays readable, a digest keeps names apart. */
function directoryName(taskName: string): string {
  const readable = taskName.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 40);
  return `${readable}-${createHash('sha256').update(taskName).digest('hex').slice(0, 16)}`;
}
