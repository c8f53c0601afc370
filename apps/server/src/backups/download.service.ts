import { Injectable } from '@nestjs/common';
import type { Request, Response } from 'express';
import { splitPath } from '#engine';
import { actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import type { ClientWithOwner } from '../clients/clients.service';
import { Clock } from '../config/clock';
import { holdMemory } from '../http/held-memory';
import { streamAnswer } from '../http/stream-answer';
import { PinsService } from '../retention/pins.service';
import type { PersonIdentity } from '../users/person-identity';
import { downloadBytes } from './download-bytes';
import { attachment, parseRange } from './download-headers';
import { type ByteRange, FileContent } from './file-content';
import { decodeVersion, type VersionReference } from './file-paths';
import { FilesService } from './files.service';
import { heldBytes } from './held-bytes';

interface Wanted {
  readonly person: PersonIdentity;
  readonly client: ClientWithOwner;
  readonly version: string;
}

/** A file out of a snapshot, for a browser: what comes from backups is never shown as a page of this server. */
@Injectable()
export class DownloadService {
  constructor(
    private readonly files: FilesService,
    private readonly content: FileContent,
    private readonly audit: AuditService,
    private readonly pins: PinsService,
    private readonly clock: Clock,
  ) {}

  async answer(wanted: Wanted, request: Request, response: Response): Promise<void> {
    const { client, version } = wanted;
    const reference = decodeVersion(version);
    const file = await this.files.find(client.no, reference);
    const tag = `"${version.slice(0, 8)}-${file.content?.id.toString('hex').slice(0, 32) ?? 'empty'}"`;
    const headers = { tag, name: splitPath(reference.path).name, size: file.size };
    const wantsRange = request.headers['if-range'] === undefined || request.headers['if-range'] === tag;
    const range = wantsRange ? parseRange(request.headers.range, file.size) : null;
    if (range === 'unsatisfiable' || request.method === 'HEAD') {
      setHeaders(response, headers, range);
      response.end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: file.size };
    holdMemory(request, downloadBytes({ start, end }, file.size));
    const hold = () =>
      this.pins.lease({ clientNo: client.no, holder: wanted.person.userId }, reference.snapshotId, 'download');
    await hold();
    await this.writeDown(wanted, reference, { start, end });
    const bytes = this.content.read(client.domain_no, file.content, { start, end });
    // Not before: what refuses a download answers as itself, not under the file's name.
    setHeaders(response, headers, range);
    try {
      await streamAnswer(
        response,
        'application/octet-stream',
        heldBytes(bytes, hold, () => this.clock.now()),
      );
    } catch (error) {
      // The problem is not the file, and must not be saved under its name.
      for (const name of FILE_HEADERS) response.removeHeader(name);
      throw error;
    }
  }

  /** Before the first byte: whatever leaves was written down. */
  private writeDown(
    { person, client }: Wanted,
    { path, snapshotId }: VersionReference,
    range: ByteRange,
  ): Promise<void> {
    return this.audit.recordAlone(actorOf(person), {
      action: 'files.download',
      target: { kind: 'client', id: client.id, name: client.name },
      details: { path: path.toString('utf8'), snapshotId, ...range },
    });
  }
}

/** What only the file's own answer has. */
const FILE_HEADERS = [
  ...['content-disposition', 'content-range', 'content-length', 'accept-ranges', 'etag'],
  ...['content-security-policy', 'cross-origin-resource-policy'],
];

interface FileHeaders {
  readonly tag: string;
  readonly name: Buffer;
  readonly size: number;
}

/** `range`: null for the whole file. */
function setHeaders(
  response: Response,
  { tag, name, size }: FileHeaders,
  range: ByteRange | 'unsatisfiable' | null,
): void {
  response.setHeader('content-disposition', attachment(name));
  response.setHeader('content-security-policy', 'sandbox');
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  response.setHeader('cache-control', 'private, no-store');
  response.setHeader('accept-ranges', 'bytes');
  response.setHeader('etag', tag);
  if (range === 'unsatisfiable') {
    response.status(416).setHeader('content-range', `bytes */${size}`);
    return;
  }
  const { start, end } = range ?? { start: 0, end: size };
  if (range !== null) response.setHeader('content-range', `bytes ${start}-${end - 1}/${size}`);
  response.status(range === null ? 200 : 206).setHeader('content-length', end - start);
}
