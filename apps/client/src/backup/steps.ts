import {
  type ContentRef,
  decodeDetection,
  decodeEntry,
  type Detection,
  encodeDetection,
  encodeEntry,
  type Entry,
  type IndexRecord,
} from '#engine';
import type { CarriedLines, IndexLine, Step } from './window';

/** A version as the last run left it. */
export interface OldVersion {
  readonly line: IndexLine;
  readonly entry: Entry;
  readonly detection: Detection;
}

export function openVersion(record: IndexRecord): OldVersion {
  const entry = decodeEntry(record.entry, 'index');
  const detection = decodeDetection(record.detection, 'index');
  return { line: { record, kind: entry.kind, size: entry.size }, entry, detection };
}

/** The version stays as it is. */
export function carryStep(line: IndexLine): Step {
  return { change: null, contents: [], line, oldLine: line };
}

/** The same for many at once. */
export function carryLinesStep(carried: CarriedLines): Step {
  return { change: null, contents: [], line: null, oldLine: null, carried };
}

/** A new version; only the next index is told when nothing differs from the old one. Throws InvalidError. */
export function putStep(
  path: Buffer,
  saved: { readonly entry: Entry; readonly detection: Detection },
  oldLine: IndexLine | null,
): Step {
  const record: IndexRecord = {
    path,
    entry: encodeEntry(saved.entry),
    detection: encodeDetection(saved.detection),
  };
  const line: IndexLine = { record, kind: saved.entry.kind, size: saved.entry.size };
  const isSame =
    oldLine?.record.entry.equals(record.entry) === true && oldLine.record.detection.equals(record.detection);
  if (isSame) return carryStep(line);
  return { change: { type: 'put', ...record }, contents: contentsOf(saved.entry), line, oldLine };
}

export function closeStep(path: Buffer, reason: 'deleted' | 'deselected'): Step {
  return { change: { type: 'close', path, reason }, contents: [], line: null, oldLine: null };
}

function contentsOf({ content, xattrContent }: Entry): ContentRef[] {
  return [content, xattrContent].filter((ref) => ref !== null && ref !== undefined);
}
