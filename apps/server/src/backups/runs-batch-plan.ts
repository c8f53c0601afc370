import { LIMITS } from '#common';
import { type Change, decodeEntry, type Entry } from '#engine';
import { DomainError } from '../http/domain-error';
import { DIRECTORY, END_REASON_CODES, KIND_CODES } from './catalog-codes';
import { type KeyedPath, parentKeyOf, pathKey } from './path-walk';
import type { Closing, NewDetection, NewVersion, OpenVersion } from './catalog-write.repository';

/** A change with its entry decoded. */
export type DecodedChange = KeyedPath &
  (
    | { readonly type: 'put'; readonly bytes: Buffer; readonly entry: Entry; readonly detect: Buffer }
    | { readonly type: 'close'; readonly reason: 'deleted' | 'deselected' }
  );

/** What stands in the catalog for the paths of a batch and their parents, before the batch. */
export interface BatchView {
  readonly runNumber: number;
  /** By {@link pathKey}. */
  readonly numbers: ReadonlyMap<string, number>;
  /** From CatalogWriteRepository.versionsFor. */
  readonly versions: readonly OpenVersion[];
  /** Number of the chunk that a content reference names. */
  readonly chunkNo: (content: NonNullable<Entry['content']>) => number;
}

/** What to do, in this order: close, insert, update detections, close what lies below former directories. */
export interface BatchPlan {
  readonly closings: Closing[];
  readonly versions: NewVersion[];
  readonly detections: NewDetection[];
  readonly formerDirectories: Closing[];
}

/** What the run sees at one path. */
interface PathState {
  open: OpenVersion | null;
  /** Closed or put by this run. */
  isTouched: boolean;
  kind: number | null;
}

/**
 * Decides what a batch does; pure. Dropped: an entry that is the visible one already, and a closing of what is not
 * visible. Refused (`invalid`): a path that occurs twice in the run with different effect, an entry whose parent is no
 * directory.
 */
export function planBatch(changes: readonly DecodedChange[], view: BatchView): BatchPlan {
  const plan: BatchPlan = { closings: [], versions: [], detections: [], formerDirectories: [] };
  const states = statesOf(view);
  const seen = new Set<string>();
  for (const change of changes) {
    if (seen.has(change.key)) throw twice(change.path);
    seen.add(change.key);
    if (change.type === 'put') planPut(change, { plan, states, view });
    else planClosing(change, { plan, states, view });
  }
  return plan;
}

interface Planning {
  readonly plan: BatchPlan;
  readonly states: Map<number, PathState>;
  readonly view: BatchView;
}

function planPut(change: DecodedChange & { type: 'put' }, { plan, states, view }: Planning): void {
  const { path, key, parentKey, bytes, entry, detect } = change;
  if (parentKey !== '' && kindAt(parentKey, states, view) !== DIRECTORY) {
    throw new DomainError('invalid', `${shown(path)} lies in no directory of this run: send the directory first`);
  }
  const pathNo = view.numbers.get(key);
  if (pathNo === undefined) throw new Error(`no number was given to ${shown(path)}`);
  const state = stateAt(states, pathNo);
  const { open } = state;
  if (open?.entry.equals(bytes)) {
    if (!open.detect.equals(detect)) plan.detections.push({ pathNo, firstRun: open.firstRun, detect });
    return;
  }
  if (state.isTouched) throw twice(path);
  const kind = KIND_CODES[entry.kind];
  const contentNo = entry.content === null ? null : view.chunkNo(entry.content);
  if (open !== null) {
    plan.closings.push({ pathNo, reason: null });
    if (open.kind === DIRECTORY && kind !== DIRECTORY) {
      plan.formerDirectories.push({ pathNo, reason: END_REASON_CODES.deleted });
    }
  }
  plan.versions.push({
    pathNo,
    kind,
    size: entry.size,
    contentNo,
    xattrsNo: entry.xattrContent === undefined ? null : view.chunkNo(entry.xattrContent),
    contentSince: open !== null && isSameContent(open, entry, contentNo) ? open.contentSince : view.runNumber,
    existsSince: open?.existsSince ?? view.runNumber,
    entry: bytes,
    detect,
  });
  states.set(pathNo, { open: null, isTouched: true, kind });
}

function planClosing(change: DecodedChange & { type: 'close' }, { plan, states, view }: Planning): void {
  const pathNo = view.numbers.get(change.key);
  if (pathNo === undefined) return;
  const { open, isTouched } = stateAt(states, pathNo);
  if (isTouched && open !== null) throw twice(change.path);
  if (open === null) return;
  const closing = { pathNo, reason: END_REASON_CODES[change.reason] };
  plan.closings.push(closing);
  if (open.kind === DIRECTORY) plan.formerDirectories.push(closing);
  states.set(pathNo, { open: null, isTouched: true, kind: null });
}

function statesOf({ versions, runNumber }: BatchView): Map<number, PathState> {
  const states = new Map<number, PathState>();
  for (const version of versions) {
    const state = stateAt(states, version.pathNo);
    const isClosed = version.lastRun !== null;
    states.set(version.pathNo, {
      open: isClosed ? state.open : version,
      isTouched: state.isTouched || isClosed || version.firstRun === runNumber,
      kind: isClosed ? state.kind : version.kind,
    });
  }
  return states;
}

function stateAt(states: ReadonlyMap<number, PathState>, pathNo: number): PathState {
  return states.get(pathNo) ?? { open: null, isTouched: false, kind: null };
}

function kindAt(key: string, states: ReadonlyMap<number, PathState>, view: BatchView): number | null {
  const pathNo = view.numbers.get(key);
  return pathNo === undefined ? null : stateAt(states, pathNo).kind;
}

/** Is it the same content with other metadata? Of links and devices, what they point at counts as content. */
function isSameContent(open: OpenVersion, entry: Entry, contentNo: number | null): boolean {
  if (open.kind !== KIND_CODES[entry.kind]) return false;
  if (open.size !== entry.size || open.contentNo !== contentNo) return false;
  if (entry.linkTarget === undefined && entry.device === undefined) return true;
  const old = decodeEntry(open.entry, `version of path ${open.pathNo}, run ${open.firstRun}`);
  if (entry.linkTarget !== undefined) return old.linkTarget?.equals(entry.linkTarget) ?? false;
  return old.device?.major === entry.device?.major && old.device?.minor === entry.device?.minor;
}

function twice(path: Buffer): DomainError {
  return new DomainError('invalid', `${shown(path)} occurs twice in this run`);
}

/** A path for a message: JSON escapes what would confuse a terminal or a log. */
function shown(path: Buffer): string {
  return JSON.stringify(path.toString('utf8'));
}

/**
 * Throws CorruptError on a record that is no change, `invalid` on a link whose target is longer than any system takes. `near`:
 * the parent of the change before it, see {@link parentKeyOf}.
 */
export function decodedChange(change: Change, place: string, near?: string): DecodedChange {
  const key = pathKey(change.path);
  const parentKey = parentKeyOf(key, near);
  if (change.type === 'close') return { ...change, key, parentKey };
  const { path, entry: bytes, detection: detect } = change;
  const entry = decodeEntry(bytes, place);
  const targetLength = entry.linkTarget?.length ?? 0;
  if (targetLength > LIMITS.linkTargetBytes) {
    throw new DomainError(
      'invalid',
      `${shown(path)} links to ${targetLength} bytes; at most ${LIMITS.linkTargetBytes}`,
    );
  }
  return { type: 'put', path, key, parentKey, bytes, entry, detect };
}
