import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificate, type TestCertificate } from './support/certificate';
import { AgentProcess, ServerProcess, temporaryFolder } from './support/processes';

describe('a server that does TLS itself', () => {
  const folder = temporaryFolder('tls');
  const files = { TLS_CERT_FILE: join(folder.path, 'cert.pem'), TLS_KEY_FILE: join(folder.path, 'key.pem') };
  const authority = makeCertificate({ name: 'our authority', isAuthority: true });
  const [first, second] = [makeCertificate({ authority }), makeCertificate({ authority })];
  let server: ServerProcess;

  const write = ({ cert, key }: TestCertificate): void => {
    writeFileSync(files.TLS_CERT_FILE, cert);
    writeFileSync(files.TLS_KEY_FILE, key, { mode: 0o600 });
  };
  const agent = (settings: Record<string, string>): AgentProcess =>
    new AgentProcess(join(folder.path, 'state'), { HOLDFAST_RETRY_SECONDS: '0', ...settings });

  beforeAll(async () => {
    write(first);
    server = await ServerProcess.create(join(folder.path, 'data'), files);
    await server.start();
  });
  afterAll(async () => {
    await server.kill();
    folder.remove();
  });

  it('backs up machines that pin its certificate, or its authority, through a change of certificates', async () => {
    const source = join(folder.path, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'a'), 'some content');
    const nobody = await agent({}).enroll(server);
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining('its certificate is not accepted')]);
    const pinned = agent({ SERVER_CERT_FINGERPRINT: first.fingerprint });
    await expect(pinned.enroll(server)).resolves.toMatchObject({ code: 0 });
    await expect(pinned.run(['backup', source])).resolves.toMatchObject({ code: 0 });

    write(second);
    server.signal('SIGHUP');
    await server.says(second.fingerprint);
    const refused = await pinned.run(['snapshots']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(second.fingerprint)]);
    const colons = second.fingerprint.toUpperCase().replace(/..(?=.)/g, '$&:');
    const both = agent({ SERVER_CERT_FINGERPRINT: `${first.fingerprint},${colons}` });
    await expect(both.run(['backup', source])).resolves.toMatchObject({ code: 0 });

    const caFile = join(folder.path, 'authority.pem');
    writeFileSync(caFile, authority.cert);
    const target = join(folder.path, 'target');
    const restored = await agent({ SERVER_CA_FILE: caFile }).run(['restore', 'latest', '--target', target]);
    expect(restored).toMatchObject({ code: 0 });
    expect(readFileSync(join(target, source, 'a'), 'utf8')).toBe('some content');
  });
});
