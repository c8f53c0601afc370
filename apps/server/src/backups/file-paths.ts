import { InvalidError, parsePath } from '#engine';
import { DomainError } from '../http/domain-error';

/** The path of a query: base64url of its bytes, or text, or the root. Throws `invalid`. */
export function pathOfQuery({ path, pathBase64 }: { path?: string; pathBase64?: string }): Buffer {
  const bytes = pathBase64 === undefined ? Buffer.from(path ?? '/') : Buffer.from(pathBase64, 'base64url');
  return pathOf(bytes);
}

/** What a download is asked for by: the snapshot that shows the version, and its path. Stable, and tells nobody anything. */
export interface VersionReference {
  readonly snapshotId: string;
  readonly path: Buffer;
}

export function encodeVersion({ snapshotId, path }: VersionReference): string {
  return `${snapshotId}.${path.toString('base64url')}`;
}

/** Throws `invalid`. */
export function decodeVersion(text: string): VersionReference {
  const match = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([A-Za-z0-9_-]+)$/.exec(text);
  const [, snapshotId, path] = match ?? [];
  if (snapshotId === undefined || path === undefined) {
    throw new DomainError('invalid', 'A version is named as listings name it: <snapshot>.<base64url of the path>.');
  }
  return { snapshotId, path: pathOf(Buffer.from(path, 'base64url')) };
}

function pathOf(bytes: Buffer): Buffer {
  try {
    return parsePath(bytes);
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error;
    throw new DomainError('invalid', `No path: ${error.message}`, { cause: error });
  }
}
