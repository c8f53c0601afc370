import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Identity } from '../apps/client/src/state/identity';
import { makeCertificate, type TestCertificate } from './support/certificate';
import { ServiceProcess, until } from './support/fleet-journey';
import { ADMIN, AgentProcess, ServerProcess, temporaryFolder } from './support/processes';

const ROOT = join(__dirname, '..');

describe('a server that does TLS itself', () => {
  const folder = temporaryFolder('tls');
  const files = { TLS_CERT_FILE: join(folder.path, 'cert.pem'), TLS_KEY_FILE: join(folder.path, 'key.pem') };
  const authority = makeCertificate({ name: 'our authority', isAuthority: true });
  const [first, second, third] = [1, 2, 3].map(() => makeCertificate({ authority })) as [
    TestCertificate,
    TestCertificate,
    TestCertificate,
  ];
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
    await expect(agent({}).run(['backup', source])).resolves.toMatchObject({ code: 0 });

    write(second);
    await server.saysTo('SIGHUP', second.fingerprint);
    const caFile = join(folder.path, 'authority.pem');
    writeFileSync(caFile, authority.cert);
    // Also without the setting: the authority's word does not do instead of the pin of the enrolment.
    for (const settings of [{ SERVER_CERT_FINGERPRINT: first.fingerprint }, { SERVER_CA_FILE: caFile }]) {
      const refused = await agent(settings).run(['snapshots']);
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(second.fingerprint)]);
    }
    const colons = second.fingerprint.toUpperCase().replace(/..(?=.)/g, '$&:');
    const both = agent({ SERVER_CERT_FINGERPRINT: `${first.fingerprint},${colons}` });
    await expect(both.run(['backup', source])).resolves.toMatchObject({ code: 0 });

    const target = join(folder.path, 'target');
    const restored = await agent({ SERVER_CA_FILE: caFile, SERVER_CERT_FINGERPRINT: 'none' }).run([
      'restore',
      'latest',
      '--target',
      target,
    ]);
    expect(restored).toMatchObject({ code: 0 });
    expect(readFileSync(join(target, source, 'a'), 'utf8')).toBe('some content');
  });

  it('is held to its pin by a service that was enrolled with one, until another is set, which is kept', async () => {
    write(first);
    await server.saysTo('SIGHUP', first.fingerprint);
    const state = join(folder.path, 'service');
    const service = new ServiceProcess(state, {
      SERVER_URL: server.url,
      MONITORED_PATHS: folder.path,
      SERVER_CA_FILE: join(folder.path, 'authority.pem'),
    });
    const known = (): unknown =>
      (JSON.parse(readFileSync(join(state, 'identity.json'), 'utf8')) as Identity).fingerprints;
    const agentOfIt = new AgentProcess(state, { HOLDFAST_RETRY_SECONDS: '0' });
    await new AgentProcess(state, { SERVER_CERT_FINGERPRINT: first.fingerprint }).enroll(server, 'service');
    expect(known()).toEqual([first.fingerprint]);
    write(third);
    await server.saysTo('SIGHUP', third.fingerprint);
    try {
      service.start();
      await until('the service is held to its pin', () => service.log.includes(third.fingerprint));
      await service.stop();
      service.start({ SERVER_CERT_FINGERPRINT: third.fingerprint });
      await until('the new pin is kept', () => isDeepStrictEqual(known(), [third.fingerprint]));
      await service.stop();
      await expect(agentOfIt.run(['snapshots'])).resolves.toMatchObject({ code: 0 });
      service.start({ SERVER_CERT_FINGERPRINT: 'none' });
      await until('the pin is gone', () => isDeepStrictEqual(known(), []));
    } finally {
      await service.stop();
    }
  });

  it('gives the client of docker-compose.yml a code, held to what that client is held to', async () => {
    write(second);
    await server.saysTo('SIGHUP', second.fingerprint);
    const [codeFile, passwordFile, caFile] = ['code', 'password', 'authority.pem'].map((name) =>
      join(folder.path, name),
    );
    writeFileSync(passwordFile!, ADMIN.password);
    writeFileSync(caFile!, authority.cert);
    const enrol = (settings: Record<string, string>): { status: number | null; stderr: string } => {
      rmSync(codeFile!, { force: true });
      const names = { ADMIN_USERNAME: ADMIN.username, ADMIN_PASSWORD_FILE: passwordFile!, CODE_FILE: codeFile! };
      const env = { SERVER_URL: server.url, SERVER_CA_FILE: '', SERVER_CERT_FINGERPRINT: '', ...names, ...settings };
      return spawnSync(process.execPath, ['deploy/compose/enrol-client.mjs'], { cwd: ROOT, env, encoding: 'utf8' });
    };
    const refused = [{}, { SERVER_CERT_FINGERPRINT: first.fingerprint }, { SERVER_CERT_FINGERPRINT: 'none' }];
    for (const settings of refused) {
      expect([settings, enrol(settings).status, existsSync(codeFile!)]).toEqual([settings, 1, false]);
    }
    expect(enrol({ SERVER_CERT_FINGERPRINT: first.fingerprint }).stderr).toContain(second.fingerprint);
    const colons = second.fingerprint.toUpperCase().replace(/..(?=.)/g, '$&:');
    const trusted = [{ SERVER_CA_FILE: caFile! }, { SERVER_CERT_FINGERPRINT: `${first.fingerprint},${colons}` }];
    for (const settings of trusted) {
      expect(enrol(settings)).toMatchObject({ status: 0, stderr: '' });
      expect(readFileSync(codeFile!, 'utf8')).toMatch(/^\S+\n$/);
    }
  });
});
