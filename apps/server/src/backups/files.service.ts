import { Injectable } from '@nestjs/common';
import type { FileHistoryAnswer, FileHistoryQuery, FileItem, FilesAnswer, FilesQuery } from '#common';
import { decodeEntry, type Entry, joinPath, ROOT_PATH, splitPath } from '#engine';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { DIRECTORY } from './catalog-codes';
import { encodeVersion, pathOfQuery, type VersionReference } from './file-paths';
import type { RunKey } from './run-row';
import { SnapshotRepositories, SnapshotsService } from './snapshots.service';

const PAGE_FILES = 500;

/** Snapshots as people browse them: names as text, a page at a time. By right to the client. */
@Injectable()
export class FilesService {
  constructor(
    private readonly database: Database,
    private readonly repositories: SnapshotRepositories,
    private readonly snapshots: SnapshotsService,
  ) {}

  async list(clientNo: number, query: FilesQuery): Promise<FilesAnswer> {
    const path = pathOfQuery(query);
    const limit = query.limit ?? PAGE_FILES;
    const after = query.cursor === undefined ? null : Buffer.from(query.cursor, 'base64url');
    const { catalog } = this.repositories;
    const snapshotId = query.snapshot ?? (await this.newest(clientNo));
    return this.database.read(async (sql) => {
      const snapshot = await this.snapshotOf(sql, clientNo, snapshotId);
      const found = await catalog.findAt(sql, snapshot, path);
      // The root of an empty snapshot is empty.
      if (found === undefined && path.equals(ROOT_PATH)) return { snapshotId, files: [], next: null };
      if (found === undefined) throw noFile(path);
      if (found.kind !== DIRECTORY) {
        return {
          snapshotId,
          files: [itemOf({ snapshotId, path }, decodeEntry(found.entry, 'the catalog'))],
          next: null,
        };
      }
      const page = { directoryNo: found.pathNo, after, limit: limit + 1 };
      const children = await catalog.childrenAt(sql, snapshot, page);
      const shown = children.slice(0, limit);
      const files = shown.map(({ name, entry }) =>
        itemOf({ snapshotId, path: joinPath(path, name) }, decodeEntry(entry, 'the catalog')),
      );
      return {
        snapshotId,
        files,
        next: children.length > limit ? (shown.at(-1)?.name.toString('base64url') ?? null) : null,
      };
    });
  }

  async history(clientNo: number, query: FileHistoryQuery): Promise<FileHistoryAnswer> {
    const path = pathOfQuery(query);
    const { versions } = await this.snapshots.history(clientNo, path);
    return {
      versions: versions.map(({ entryBase64, ...version }) => ({
        ...version,
        ...itemOf(
          { snapshotId: version.snapshotId, path },
          decodeEntry(Buffer.from(entryBase64, 'base64'), 'the catalog'),
        ),
      })),
    };
  }

  /** The file of a version; `not-found` when the snapshot does not show it, `invalid` for what is no file. */
  async find(clientNo: number, { snapshotId, path }: VersionReference): Promise<Entry> {
    return this.database.read(async (sql) => {
      const snapshot = await this.snapshotOf(sql, clientNo, snapshotId);
      const found = await this.repositories.catalog.findAt(sql, snapshot, path);
      if (found === undefined) throw noFile(path);
      const entry = decodeEntry(found.entry, 'the catalog');
      if (entry.kind !== 'file') throw new DomainError('invalid', `This is a ${entry.kind}, not a file to download.`);
      return entry;
    });
  }

  private async snapshotOf(sql: Sql, clientNo: number, snapshotId: string): Promise<RunKey> {
    const snapshot = await this.repositories.snapshots.find(sql, clientNo, snapshotId);
    if (snapshot === undefined) throw new DomainError('not-found', `There is no snapshot ${snapshotId}`);
    return snapshot;
  }

  private async newest(clientNo: number): Promise<string> {
    const { snapshots } = await this.snapshots.listSnapshots(clientNo);
    const [newest] = snapshots;
    if (newest === undefined) throw new DomainError('not-found', 'The client has no snapshot yet.');
    return newest.id;
  }
}

function itemOf({ snapshotId, path }: VersionReference, entry: Entry): FileItem {
  return {
    name: path.equals(ROOT_PATH) ? '/' : splitPath(path).name.toString('utf8'),
    path: path.toString('utf8'),
    pathBase64: path.toString('base64url'),
    kind: entry.kind,
    size: entry.size,
    mtimeMs: Number(entry.mtimeNs / 1_000_000n),
    mode: entry.mode,
    linkTarget: entry.linkTarget?.toString('utf8') ?? null,
    version: entry.kind === 'file' ? encodeVersion({ snapshotId, path }) : null,
  };
}

function noFile(path: Buffer): DomainError {
  return new DomainError('not-found', `The snapshot holds no ${JSON.stringify(path.toString('utf8'))}`);
}
