import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  API,
  type AuditAnswer,
  type ClientsAnswer,
  type FileHistoryAnswer,
  type FilesAnswer,
  type PinAnswer,
  type TasksAnswer,
} from '#common';
import { ADMIN, AgentProcess, DATABASE_KINDS, ServerProcess, temporaryFolder } from './support/processes';

describe.each(DATABASE_KINDS)('files of a backup, for people, on %s', (kind) => {
  const folder = temporaryFolder(`downloads-${kind}`);
  const source = join(folder.path, 'source');
  const large = randomBytes(9 * 1024 * 1024 + 123);
  const agent = new AgentProcess(join(folder.path, 'state'));
  let server: ServerProcess;
  let token: string;
  let clientId: string;

  beforeAll(async () => {
    server = await ServerProcess.on(kind, join(folder.path, 'data'));
    expect(await server.start()).toBe('serving');
    mkdirSync(source);
    writeFileSync(join(source, 'large'), large);
    writeFileSync(join(source, 'empty'), '');
    writeFileSync(join(source, 'na"ïve.txt'), 'first');
    expect(await agent.enroll(server)).toMatchObject({ code: 0 });
    await agent.json(['backup', source]);
    writeFileSync(join(source, 'na"ïve.txt'), 'second');
    await agent.json(['backup', source]);
    const login = await fetch(server.url + API.login, { method: 'POST', body: new URLSearchParams(ADMIN) });
    ({ access_token: token } = (await login.json()) as { access_token: string });
    clientId = (await json<ClientsAnswer>(API.clients)).clients[0]!.id;
  });

  afterAll(async () => {
    await server.end();
    folder.remove();
  });

  const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
    fetch(server.url + path, { method, headers: { authorization: `Bearer ${token}`, ...headers } });
  const json = async <T>(path: string): Promise<T> => {
    const answer = await get(path);
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    return (await answer.json()) as T;
  };
  const list = (query: string): Promise<FilesAnswer> => json<FilesAnswer>(`${API.files(clientId)}?${query}`);
  const versionOf = async (name: string): Promise<string> => {
    const { files } = await list(`path=${encodeURIComponent(join(source, name))}`);
    return API.download(clientId, files[0]!.version!);
  };

  it('are listed a page at a time, by name', async () => {
    const query = `path=${encodeURIComponent(source)}&limit=2`;
    const first = await list(query);
    expect(first.files.map(({ name }) => name)).toEqual(['empty', 'large']);
    const second = await list(`${query}&cursor=${first.next ?? ''}`);
    expect(second).toMatchObject({ next: null, files: [{ name: 'na"ïve.txt', kind: 'file', size: 6 }] });
    expect((await list('')).files[0]).toMatchObject({ kind: 'directory', version: null });
    expect((await get(`${API.files(clientId)}?path=/nothing`)).status).toBe(404);
    expect((await get(`${API.files(clientId)}?path=relative`)).status).toBe(422);
  });

  it('are downloaded whole, byte for byte, and never as a page of the server', async () => {
    const answer = await get(await versionOf('large'));
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'content-length': String(large.length),
      'content-disposition': `attachment; filename="large"; filename*=UTF-8''large`,
      'content-security-policy': 'sandbox',
      'x-content-type-options': 'nosniff',
      'accept-ranges': 'bytes',
    });
    expect(Buffer.from(await answer.arrayBuffer()).equals(large)).toBe(true);
    // What is read is held against retention meanwhile, and a while longer.
    const { tasks } = await json<TasksAnswer>(API.tasks(clientId));
    const { snapshotId } = await list('');
    const pins = await json<PinAnswer[]>(API.taskPins(tasks[0]!.id));
    expect(pins).toMatchObject([{ kind: 'lease', snapshotId }]);
    const empty = await get(await versionOf('empty'));
    expect({ status: empty.status, text: await empty.text() }).toEqual({ status: 200, text: '' });
  });

  it.each([
    [0, 0],
    [4_000_000, 8_999_999],
    [large.length - 5, large.length - 1],
  ])('are downloaded in parts, from byte %d to byte %d', async (first, last) => {
    const answer = await get(await versionOf('large'), { range: `bytes=${first}-${last}` });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe(`bytes ${first}-${last}/${large.length}`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(large.subarray(first, last + 1))).toBe(true);
  });

  it('go on where they broke off only while they are the same', async () => {
    const path = await versionOf('large');
    const head = await get(path, {}, 'HEAD');
    expect(head.headers.get('content-length')).toBe(String(large.length));
    const tag = head.headers.get('etag')!;
    expect((await get(path, { range: 'bytes=0-0', 'if-range': tag })).status).toBe(206);
    expect((await get(path, { range: 'bytes=0-0', 'if-range': '"other"' })).status).toBe(200);
    const beyond = await get(path, { range: `bytes=${large.length}-` });
    expect({ status: beyond.status, range: beyond.headers.get('content-range') }).toEqual({
      status: 416,
      range: `bytes */${large.length}`,
    });
  });

  it('have a history whose every version can be downloaded, and every download is written down', async () => {
    const path = join(source, 'na"ïve.txt');
    const history = await json<FileHistoryAnswer>(`${API.fileHistory(clientId)}?path=${encodeURIComponent(path)}`);
    const texts = await Promise.all(
      history.versions.map(async ({ version }) => (await get(API.download(clientId, version!))).text()),
    );
    expect(texts).toEqual(['second', 'first']);
    const { events } = await json<AuditAnswer>(`${API.audit}?action=files.download&limit=2`);
    expect(events).toMatchObject([{ details: { path } }, { details: { path } }]);
  });

  it('are no downloads when they are no files, or of no snapshot', async () => {
    const { files, snapshotId } = await list('path=/');
    const directory = files[0]!.pathBase64;
    expect((await get(API.download(clientId, `${snapshotId}.${directory}`))).status).toBe(422);
    const other = '7f3e2a10-0000-4000-8000-000000000000';
    expect((await get(API.download(clientId, `${other}.${directory}`))).status).toBe(404);
  });
});
