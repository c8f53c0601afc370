import type { FileItem, FilesAnswer, FileVersionItem, SnapshotSummary } from '#common';
import type { Moments } from '../pages/moments';
import { sizeText } from '../pages/quantities';

const SHOWN_SNAPSHOTS = 500;

export interface FolderFacts {
  readonly client: { readonly id: string; readonly name: string };
  readonly answer: FilesAnswer;
  /** Newest first. */
  readonly snapshots: readonly SnapshotSummary[];
  /** The path's bytes. */
  readonly path: Buffer;
  readonly moments: Moments;
}

/** Pure: a directory as one snapshot shows it. */
export function folderView({ client, answer, snapshots, path, moments }: FolderFacts) {
  const { snapshotId, files, next } = answer;
  const address = (to: Buffer, more: Record<string, string> = {}): string =>
    `/clients/${client.id}/files?${new URLSearchParams({ snapshot: snapshotId, ...queryOf(to), ...more }).toString()}`;
  const at = snapshots.find(({ id }) => id === snapshotId);
  return {
    title: `Files of ${client.name}`,
    clientId: client.id,
    clientName: client.name,
    path: path.toString('utf8'),
    pathFields: Object.entries(queryOf(path)).map(([name, value]) => ({ name, value })),
    snapshots: snapshots.slice(0, SHOWN_SNAPSHOTS).map(({ id, task, number, stampMs }) => ({
      id,
      label: `${moments.at(stampMs)?.text ?? ''}, ${task} #${number}`,
      isSelected: id === snapshotId,
    })),
    taken: moments.at(at?.stampMs ?? null),
    task: at?.task ?? '',
    ancestors: ancestorsOf(path).map(({ name, path: ancestor }) => ({ name, href: address(ancestor) })),
    files: files.map((file) => fileRow(file, { clientId: client.id, snapshotId, moments })),
    more: next === null ? null : address(path, { after: next }),
  };
}

function fileRow(
  file: FileItem,
  { clientId, snapshotId, moments }: { clientId: string; snapshotId: string; moments: Moments },
) {
  const { name, kind, pathBase64, linkTarget, version } = file;
  const query = (more: Record<string, string>): string => new URLSearchParams({ pathBase64, ...more }).toString();
  const isFolder = kind === 'directory';
  return {
    name: isFolder ? `${name}/` : name,
    open: isFolder ? `/clients/${clientId}/files?${query({ snapshot: snapshotId })}` : null,
    kind: isFolder || kind === 'file' ? null : kind,
    linkTarget,
    size: kind === 'file' ? sizeText(file.size) : '',
    changed: moments.at(file.mtimeMs),
    mode: (file.mode & 0o7777).toString(8).padStart(4, '0'),
    history: isFolder ? null : `/clients/${clientId}/files/history?${query({})}`,
    download: version === null ? null : `/clients/${clientId}/download/${version}`,
  };
}

/** Pure: all versions of one path. */
export function fileHistoryView({
  client,
  versions,
  path,
  moments,
}: {
  client: { readonly id: string; readonly name: string };
  versions: readonly FileVersionItem[];
  path: Buffer;
  moments: Moments;
}) {
  const text = path.toString('utf8');
  return {
    title: `History of ${text}`,
    clientId: client.id,
    clientName: client.name,
    path: text,
    folder: `/clients/${client.id}/files?${new URLSearchParams(queryOf(parentOf(path))).toString()}`,
    versions: versions.map((version) => ({
      task: version.task,
      seen: moments.at(version.firstSeenMs),
      ended: moments.at(version.endedMs),
      end:
        version.endReason === null
          ? { label: 'Current', tone: 'good' }
          : { label: ENDS[version.endReason], tone: 'off' },
      kind: version.kind,
      size: version.kind === 'file' ? sizeText(version.size) : '',
      changed: moments.at(version.mtimeMs),
      download: version.version === null ? null : `/clients/${client.id}/download/${version.version}`,
    })),
  };
}

const ENDS = { replaced: 'Replaced', deleted: 'Deleted', deselected: 'No longer selected' } as const;

/** How an address names a path. */
function queryOf(path: Buffer): Record<string, string> {
  return { pathBase64: path.toString('base64url') };
}

/** From the root to the path itself. */
function ancestorsOf(path: Buffer): { name: string; path: Buffer }[] {
  const places: { name: string; path: Buffer }[] = [{ name: '/', path: Buffer.from('/') }];
  for (let at = 1; at < path.length;) {
    const slash = path.indexOf(0x2f, at);
    const end = slash === -1 ? path.length : slash;
    places.push({ name: path.subarray(at, end).toString('utf8'), path: path.subarray(0, end) });
    at = end + 1;
  }
  return places;
}

function parentOf(path: Buffer): Buffer {
  const slash = path.lastIndexOf(0x2f);
  return slash <= 0 ? Buffer.from('/') : path.subarray(0, slash);
}
