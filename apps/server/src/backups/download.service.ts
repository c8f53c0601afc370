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
import { attachment, parseRange } from './download-headers';
import { FileContent } from './file-content';
import { decodeVersion } from './file-paths';
import { FilesService } from './files.service';
import { heldBytes } from './held-bytes';

/** Two windows of a file's chunks, and the blocks that they come in. */
const DOWNLOAD_BYTES = 32 * 1024 * 1024;

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

  async answer({ person, client, version }: Wanted, request: Request, response: Response): Promise<void> {
    const reference = decodeVersion(version);
    const file = await this.files.find(client.no, reference);
    const { path, snapshotId } = reference;
    const tag = `"${version.slice(0, 8)}-${file.content?.id.toString('hex').slice(0, 32) ?? 'empty'}"`;
    setHeaders(response, { tag, name: splitPath(path).name });
    const wantsRange = request.headers['if-range'] === undefined || request.headers['if-range'] === tag;
    const range = wantsRange ? parseRange(request.headers.range, file.size) : null;
    if (range === 'unsatisfiable') {
      response.status(416).setHeader('content-range', `bytes */${file.size}`).end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: file.size };
    if (range !== null) response.setHeader('content-range', `bytes ${start}-${end - 1}/${file.size}`);
    response.status(range === null ? 200 : 206).setHeader('content-length', end - start);
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    holdMemory(request, DOWNLOAD_BYTES);
    const hold = () => this.pins.lease({ clientNo: client.no, holder: person.userId }, snapshotId, 'download');
    await hold();
    // Before the first byte: whatever leaves was written down.
    await this.audit.recordAlone(actorOf(person), {
      action: 'files.download',
      target: { kind: 'client', id: client.id, name: client.name },
      details: { path: path.toString('utf8'), snapshotId, start, end },
    });
    const bytes = this.content.read(client.domain_no, file.content, { start, end });
    const held = heldBytes(bytes, hold, () => this.clock.now());
    try {
      await streamAnswer(response, 'application/octet-stream', held);
    } catch (error) {
      // The problem is not the file, and must not be saved under its name.
      for (const name of ['content-disposition', 'content-range', 'content-length', 'etag'])
        response.removeHeader(name);
      throw error;
    }
  }
}

function setHeaders(response: Response, { tag, name }: { tag: string; name: Buffer }): void {
  response.setHeader('content-disposition', attachment(name));
  response.setHeader('content-security-policy', 'sandbox');
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
  response.setHeader('cache-control', 'private, no-store');
  response.setHeader('accept-ranges', 'bytes');
  response.setHeader('etag', tag);
}
