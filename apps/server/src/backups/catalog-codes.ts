import type { CloseReason, EntryKind } from '#engine';

/** `file_versions.kind`: the codes of the entry encoding. */
export const KIND_CODES: Readonly<Record<EntryKind, number>> = {
  file: 1,
  directory: 2,
  symlink: 3,
  fifo: 4,
  'character-device': 5,
  'block-device': 6,
};

export const DIRECTORY = KIND_CODES.directory;

/** `file_versions.end_reason` of a version that ended without a newer one; null: replaced, or current. */
export const END_REASON_CODES: Readonly<Record<CloseReason, number>> = { deleted: 1, deselected: 2 };

export function closeReasonOf(code: number): CloseReason {
  if (code === END_REASON_CODES.deleted) return 'deleted';
  if (code === END_REASON_CODES.deselected) return 'deselected';
  throw new Error(`file_versions holds an unknown end_reason ${code}`);
}
