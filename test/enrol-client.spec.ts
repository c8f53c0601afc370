import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { makeCertificate } from './support/certificate';
import { type Finished, finish, temporaryFolder } from './support/processes';

describe('the service of docker-compose.yml that asks for an enrolment code', () => {
  const folder = temporaryFolder('enrol-client');
  const file = (name: string): string => join(folder.path, name);
  const authority = makeCertificate({ name: 'our authority', isAuthority: true });
  const { cert, key } = makeCertificate({ authority });
  const servers: Server[] = [];
  beforeAll(() => {
    writeFileSync(file('password'), 'a password');
    writeFileSync(file('authority.pem'), authority.cert);
  });
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });
  afterAll(() => {
    folder.remove();
  });

  const listening = async (server: Server): Promise<number> => {
    servers.push(server);
    server.listen(0, 'localhost');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const enrol = (serverUrl: string, codeFile: string): Promise<Finished> => {
    const files = { SERVER_CA_FILE: file('authority.pem'), ADMIN_PASSWORD_FILE: file('password'), CODE_FILE: codeFile };
    const env = { SERVER_URL: serverUrl, WAIT_SECONDS: '1', ...files };
    return finish(spawn(process.execPath, [join(__dirname, '../deploy/compose/enrol-client.mjs')], { env }));
  };

  it('names the server that it means to a proxy, below its path, and is content when the password was changed', async () => {
    const asked: unknown[] = [];
    let status = 200;
    const proxy = createSecureServer({ cert, key }, (request, response) => {
      asked.push([Reflect.get(request.socket, 'servername'), request.url]);
      response.statusCode = status;
      response.end('{"access_token":"t","code":"the-code"}');
    });
    const port = await listening(proxy);
    const made = await enrol(`https://localhost:${port}/holdfast/`, file('code'));
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(asked).toEqual([
      ['localhost', '/holdfast/api/login'],
      ['localhost', '/holdfast/api/enrolment_codes'],
    ]);
    expect(readFileSync(file('code'), 'utf8')).toBe('the-code\n');

    status = 401;
    const changed = await enrol(`https://localhost:${port}`, file('none'));
    expect(changed.code).toBe(0);
    expect(changed.stdout).toContain('A client that is enrolled goes on');
    expect(existsSync(file('none'))).toBe(false);
    // Nor is the code that there is touched.
    await enrol(`https://localhost:${port}`, file('code'));
    expect(readFileSync(file('code'), 'utf8')).toBe('the-code\n');

    status = 403;
    expect(await enrol(`https://localhost:${port}`, file('none'))).toMatchObject({ code: 1 });
  });

  it('ends with the address that does not answer, and with one that takes connections and says nothing', async () => {
    const gone = createServer();
    const port = await listening(gone);
    await new Promise((done) => gone.close(done));
    servers.splice(0);
    const refused = await enrol(`http://localhost:${port}`, file('none'));
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining(`SERVER_URL=http://localhost:${port} does not answer`),
    ]);
    const silent = createServer((socket) => socket.on('error', () => undefined));
    const mute = await listening(silent);
    for (const protocol of ['http', 'https']) {
      const { code, stderr } = await enrol(`${protocol}://localhost:${mute}`, file('none'));
      expect([code, stderr]).toEqual([1, expect.stringContaining(`localhost:${mute} says nothing`)]);
    }
  });
});
