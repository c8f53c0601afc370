import { type EntrySpool } from './entry-spool';
import { type Node, NodeState } from './node-table';
import { type RestoreReport } from './restore-report';
import { type TemporaryFiles } from './temporary-files';

/** A file that is not whole must not look whole: failing one names it and removes what was written. */
export class FileFailures {
  constructor(
    private readonly spool: EntrySpool,
    private readonly files: TemporaryFiles,
    private readonly report: RestoreReport,
  ) {}

  fail(number: number, reason: string): void {
    if (this.mark(number)) this.report.fail(this.spool.path(this.spool.nodes.get(number)), reason);
  }

  /** The same by what was thrown; a full disk ends the restore instead. */
  failWith(number: number, error: unknown): void {
    const node = this.spool.nodes.get(number);
    if (node.state === NodeState.failed) return;
    const path = this.spool.path(node);
    this.report.failWith(path, error);
    this.mark(number);
  }

  /** Of an entry below one that has failed and is no directory. */
  failBelow(number: number, above: Buffer): void {
    if (this.mark(number)) this.report.failBelow(above);
  }

  /** After a restore that ended early: removes every file that did not get to its place. */
  discardUnfinished(): void {
    const { nodes } = this.spool;
    for (let number = 0; number < nodes.count; number++) {
      const node = nodes.get(number);
      if (node.state !== NodeState.created || node.kind === 'directory') continue;
      this.discard(number, node);
    }
  }

  /** Removes what stands of an entry whose thread died, if anything does. */
  discardBegun(number: number): void {
    const { path, entry } = this.spool.get(number);
    this.files.discardBegun(path, number, entry);
  }

  private discard(number: number, node: Node): void {
    this.files.discard(this.spool.path(node), number);
  }

  private mark(number: number): boolean {
    const node = this.spool.nodes.get(number);
    if (node.state === NodeState.failed) return false;
    this.spool.nodes.setState(number, NodeState.failed);
    if (node.state === NodeState.created && node.kind !== 'directory') this.discard(number, node);
    return true;
  }
}
