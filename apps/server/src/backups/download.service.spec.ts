import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type NextFunction, type Request, type Response as Answer } from 'express';
import type { AuditService } from '../audit/audit.service';
import type { ClientWithOwner } from '../clients/clients.service';
import { TestClock } from '../database/testing';
import { DomainError } from '../http/domain-error';
import { countHeldMemory, HELD_MEMORY } from '../http/held-memory';
import type { PinsService } from '../retention/pins.service';
import type { PersonIdentity } from '../users/person-identity';
import { DownloadService } from './download.service';
import type { FileContent } from './file-content';
import { encodeVersion } from './file-paths';
import type { FilesService } from './files.service';

const SNAPSHOT = '7f3e2a10-0000-4000-8000-000000000001';
const VERSION = encodeVersion({ snapshotId: SNAPSHOT, path: Buffer.from('/etc/passwd') });
const CONTENT = Buffer.from('root:x:0:0');
/** What must not be said of an answer that is not the file. */
const OF_THE_FILE = [
  ...['content-disposition', 'content-range', 'accept-ranges', 'etag', 'content-security-policy'],
  'cross-origin-resource-policy',
];

type Step = 'memory' | 'lease' | 'audit' | 'storage';

describe('a download', () => {
  let server: Server;
  /** Which of the steps before the first byte refuses. */
  let refusing: Step | null;
  const pass = (step: Step): Promise<void> =>
    refusing === step ? Promise.reject(new DomainError('unavailable', `no ${step}`)) : Promise.resolve();

  const service = new DownloadService(
    {
      find: () => Promise.resolve({ size: CONTENT.length, content: { id: Buffer.alloc(32, 7), height: 0, size: 10 } }),
    } as unknown as FilesService,
    {
      read: async function* (_domain: number, _content: unknown, { start, end }: { start: number; end: number }) {
        await pass('storage');
        yield CONTENT.subarray(start, end);
      },
    } as unknown as FileContent,
    { recordAlone: () => pass('audit') } as unknown as AuditService,
    { lease: () => pass('lease') } as unknown as PinsService,
    new TestClock(),
  );

  beforeEach(async () => {
    refusing = null;
    const app = express();
    app.disable('etag');
    app.get('/', (request, response, next) => {
      const release = countHeldMemory(request, response);
      const person = { userId: 'u', username: 'u', role: 'user' } as unknown as PersonIdentity;
      const client = { no: 1, id: 'c', name: 'c', domain_no: 1 } as unknown as ClientWithOwner;
      service.answer({ person, client, version: VERSION }, request, response).catch(next).finally(release);
    });
    app.use((error: DomainError, _request: Request, response: Answer, next: NextFunction) => {
      if (response.headersSent) next(error);
      else response.status(503).send(error.message);
    });
    server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  const get = (headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { headers });
  const ofTheFile = (answer: Response): string[] => OF_THE_FILE.filter((name) => answer.headers.has(name));

  it('is answered under the name of its file', async () => {
    const answer = await get({ range: 'bytes=0-3' });
    expect({ status: answer.status, text: await answer.text() }).toEqual({ status: 206, text: 'root' });
    expect(ofTheFile(answer)).toEqual(OF_THE_FILE);
  });

  it.each<Step>(['lease', 'audit', 'storage'])('that is refused by its %s has nothing of the file', async (step) => {
    refusing = step;
    const answer = await get({ range: 'bytes=0-3' });
    expect({ status: answer.status, text: await answer.text() }).toEqual({ status: 503, text: `no ${step}` });
    expect(ofTheFile(answer)).toEqual([]);
  });

  it('that finds no memory has nothing of the file', async () => {
    const limits: { perCaller: number } = HELD_MEMORY;
    const before = limits.perCaller;
    limits.perCaller = 100;
    try {
      const answer = await get();
      expect(answer.status).toBe(503);
      expect(ofTheFile(answer)).toEqual([]);
    } finally {
      limits.perCaller = before;
    }
  });
});
