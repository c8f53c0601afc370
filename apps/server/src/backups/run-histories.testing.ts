import fc from 'fast-check';
import type { Change, CloseReason } from '#engine';
import { close, directory, file } from './runs.testing';

/** One change, in numbers that {@link ChangedTree} finds a meaning for. */
interface Step {
  readonly what: 'file' | 'directory' | 'change' | 'close' | 'rename' | 'same';
  readonly where: number;
  readonly name: number;
  readonly mode: number;
  readonly reason: CloseReason;
}

type Fault = 'none' | 'repeated' | 'unanswered' | 'rolled-back' | 'refused';

export interface RunOfChanges {
  readonly steps: readonly Step[];
  /** Steps in a batch. */
  readonly batch: number;
  readonly faults: readonly Fault[];
  readonly end: 'commit' | 'commit-cut-off' | 'abort' | 'abort-committing' | 'abort-rolled-back' | 'abort-cut-off';
}

const aStep: fc.Arbitrary<Step> = fc.record({
  what: fc.constantFrom('file', 'file', 'directory', 'change', 'change', 'change', 'change', 'close', 'rename', 'same'),
  where: fc.nat(50),
  name: fc.nat(3),
  mode: fc.constantFrom(0o600, 0o644, 0o640, 0o755),
  reason: fc.constantFrom('deleted', 'deselected'),
});

export const aRunOfChanges: fc.Arbitrary<RunOfChanges> = fc.record({
  steps: fc.array(aStep, { minLength: 4, maxLength: 14, size: 'max' }),
  batch: fc.integer({ min: 1, max: 5 }),
  faults: fc.array(fc.constantFrom<Fault>('none', 'none', 'repeated', 'unanswered', 'rolled-back', 'refused'), {
    minLength: 4,
    maxLength: 4,
  }),
  end: fc.constantFrom(
    ...(['commit', 'commit', 'commit', 'commit', 'commit', 'commit-cut-off', 'commit-cut-off'] as const),
    ...(['abort', 'abort-committing', 'abort-rolled-back', 'abort-cut-off'] as const),
  ),
});

interface Node {
  readonly isDirectory: boolean;
  readonly mode: number;
}

/** A tree as an agent would see it, and the changes that are allowed to it: each path once in a run, in a directory that is. */
export class ChangedTree {
  private committed = new Map<string, Node>();
  private nodes = new Map<string, Node>();
  private touched = new Set<string>();
  private put = new Set<string>();

  /** A batch that fails after it has written: it makes a file of a directory into which this run put something. */
  private refused(): readonly Change[] | null {
    for (const path of this.put) {
      const parent = parentOf(path);
      if (parent !== '/' && this.nodes.get(parent)?.isDirectory && !this.touched.has(parent))
        return [file(parent, 0o611)];
    }
    return null;
  }

  keep(): void {
    this.committed = new Map(this.nodes);
    this.end();
  }

  drop(): void {
    this.nodes = new Map(this.committed);
    this.end();
  }

  /** The batches of a run. `refused`: one to send before, which must fail. */
  *batches(run: RunOfChanges): Generator<{ changes: Change[]; fault: Fault; refused: readonly Change[] | null }> {
    const first = this.nodes.has('/') ? [] : this.putNode('/', { isDirectory: true, mode: 0o755 });
    if (first.length > 0) yield { changes: first, fault: 'none', refused: null };
    for (let at = 0, number = 0; at < run.steps.length; at += run.batch, number += 1) {
      const fault = run.faults[number % run.faults.length] ?? 'none';
      const refused = fault === 'refused' ? this.refused() : null;
      const changes = run.steps.slice(at, at + run.batch).flatMap((step) => this.changesOf(step));
      // A path twice in a batch is refused, whatever it says.
      const paths = new Set(changes.map(({ path }) => path.toString()));
      if (changes.length > 0 && paths.size === changes.length) yield { changes, fault, refused };
      else for (const change of changes) yield { changes: [change], fault: 'none', refused: null };
    }
  }

  private end(): void {
    this.touched = new Set();
    this.put = new Set();
  }

  private changesOf({ what, where, name, mode, reason }: Step): Change[] {
    const directories = [...this.nodes].filter(([, { isDirectory }]) => isDirectory).map(([path]) => path);
    const others = [...this.nodes.keys()].filter((path) => path !== '/');
    const parent = directories[where % directories.length] ?? '/';
    const target = parent === '/' ? `/n${String(name)}` : `${parent}/n${String(name)}`;
    const chosen = others[where % Math.max(others.length, 1)];
    if (what === 'file' || what === 'directory') {
      return this.isFree(target) && depthOf(target) < 4
        ? this.putNode(target, { isDirectory: what === 'directory', mode })
        : [];
    }
    if (chosen === undefined) return [];
    const node = this.nodes.get(chosen);
    if (node === undefined) return [];
    // Sent though it did not change: only its detection data do.
    if (what === 'same') return [changeOf(chosen, node, 7)];
    if (!this.isFree(chosen)) return [];
    if (what === 'change') return this.putNode(chosen, { isDirectory: node.isDirectory, mode });
    if (what === 'close') return this.closeNode(chosen, reason);
    const isInItself = target === chosen || target.startsWith(`${chosen}/`);
    if (isInItself || this.nodes.has(target) || !this.isFree(target) || depthOf(target) > 2) return [];
    const moved = [...this.nodes].filter(([path]) => path === chosen || path.startsWith(`${chosen}/`));
    const changes = this.closeNode(chosen, 'deleted');
    for (const [path, of] of moved) changes.push(...this.putNode(target + path.slice(chosen.length), of));
    return changes;
  }

  private putNode(path: string, node: Node): Change[] {
    const old = this.nodes.get(path);
    if (old?.isDirectory === node.isDirectory && old.mode === node.mode) return [];
    if (old?.isDirectory === true && !node.isDirectory) this.remove(path);
    this.nodes.set(path, node);
    this.touched.add(path);
    this.put.add(path);
    return [changeOf(path, node, 1)];
  }

  private closeNode(path: string, reason: CloseReason): Change[] {
    this.remove(path);
    return [close(path, reason)];
  }

  private remove(path: string): void {
    for (const one of [...this.nodes.keys()]) {
      if (one !== path && !one.startsWith(`${path}/`)) continue;
      this.nodes.delete(one);
      this.touched.add(one);
    }
  }

  /** Neither it nor anything below it occurred in this run. */
  private isFree(path: string): boolean {
    return ![...this.touched].some((one) => one === path || one.startsWith(`${path}/`));
  }
}

function changeOf(path: string, { isDirectory, mode }: Node, inode: number): Change {
  return isDirectory ? directory(path, mode) : file(path, mode, inode);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function depthOf(path: string): number {
  return path.split('/').length - 1;
}
