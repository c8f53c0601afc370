import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { makeCertificate, type TestCertificate } from '../../../../test/support/certificate';
import { ServerSettings } from '../config/server-settings';
import { StartError } from '../config/start-error';
import { ServedCertificate } from './served-certificate';

describe('the certificate that is served', () => {
  let folder: string;
  let told: string[];
  let settings: ServerSettings;
  const opened: ServedCertificate[] = [];
  const say =
    (level: string) =>
    (words: unknown): void =>
      void told.push(`${level}: ${String(words)}`);
  const log = { log: say('log'), warn: say('warn'), error: say('error') };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-tls-'));
    told = [];
    const tls = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
    settings = Object.assign(new ServerSettings(), { tls });
  });
  afterEach(() => {
    for (const certificate of opened.splice(0)) certificate.onModuleDestroy();
    rmSync(folder, { recursive: true });
  });

  function write({ cert, key }: Pick<TestCertificate, 'cert' | 'key'>): void {
    writeFileSync(join(folder, 'cert.pem'), cert);
    writeFileSync(join(folder, 'key.pem'), key);
  }
  function open(): ServedCertificate {
    const certificate = ServedCertificate.open(settings, log);
    opened.push(certificate);
    return certificate;
  }

  it('is named by its fingerprint, and there is none without the setting', () => {
    const made = makeCertificate();
    write(made);
    const certificate = open();
    expect(certificate).toMatchObject({ fingerprint: made.fingerprint, isSelfSigned: true });
    expect(certificate.secureContext).toEqual({ cert: made.cert, key: made.key });
    expect(told).toEqual([]);
    settings.tls = null;
    expect(open()).toMatchObject({ fingerprint: null, secureContext: null, validToMs: null });
  });

  it('may be followed by those between it and its authority', () => {
    const authority = makeCertificate({ name: 'authority', isAuthority: true });
    const made = makeCertificate({ authority });
    write({ cert: made.cert + authority.cert, key: made.key });
    expect(open()).toMatchObject({ fingerprint: made.fingerprint, isSelfSigned: false });
  });

  it('is refused when a file is missing, holds something else, or belongs to another', () => {
    const [made, other] = [makeCertificate(), makeCertificate()];
    expect(open).toThrow(/TLS_CERT_FILE: .*cert\.pem cannot be read \(ENOENT\)/);
    for (const [pair, words] of [
      [{ cert: 'nothing', key: made.key }, /TLS_CERT_FILE: .* holds no certificate/],
      [{ cert: made.cert, key: 'secret text' }, /TLS_KEY_FILE: .* holds no private key/],
      [{ cert: made.cert, key: other.key }, /TLS_KEY_FILE: .* is not the key of the certificate/],
    ] as const) {
      write(pair);
      expect(open).toThrow(StartError);
      expect(open).toThrow(words);
      expect(open).not.toThrow(/secret text/);
    }
  });

  it('warns of an end that is near', () => {
    write(makeCertificate({ validDays: 13 }));
    open();
    expect(told).toEqual([expect.stringMatching(/^warn: the certificate ends at 2/)]);
  });

  describe('when its files change', () => {
    let first: TestCertificate;
    let certificate: ServedCertificate;
    let port: number;
    let close: () => void;

    beforeEach(async () => {
      first = makeCertificate();
      write(first);
      certificate = open();
      const server = createServer({ ...certificate.secureContext }, (_, response) => response.end('answer'));
      certificate.keepFresh(server);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      ({ port } = server.address() as AddressInfo);
      close = () => {
        server.closeAllConnections();
        server.close();
      };
    });
    afterEach(() => {
      close();
    });

    async function shake(): Promise<TLSSocket> {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      return socket;
    }
    async function shown(): Promise<string | undefined> {
      const socket = await shake();
      const seen = socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '').toLowerCase();
      socket.destroy();
      return seen;
    }

    it('is another for new connections, and those that stand go on', async () => {
      const socket = await shake();
      const next = makeCertificate();
      write(next);
      certificate.look();
      expect(certificate.fingerprint).toBe(next.fingerprint);
      await expect(shown()).resolves.toBe(next.fingerprint);
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
      const [bytes] = (await once(socket, 'data')) as [Buffer];
      expect(bytes.toString()).toContain('200 OK');
      expect(told).toEqual([`log: the certificate was read anew: ${next.fingerprint}`]);
      certificate.look();
      expect(told).toHaveLength(1);
    });

    it('stays what it was while they are no good, which is told once, and not at the first look', async () => {
      const next = makeCertificate();
      writeFileSync(join(folder, 'cert.pem'), next.cert);
      certificate.look();
      expect(told).toEqual([]);
      certificate.look();
      certificate.look();
      expect(told).toEqual([expect.stringMatching(/^error: TLS_KEY_FILE: .* is not the key .* is served on\.$/)]);
      await expect(shown()).resolves.toBe(first.fingerprint);
      writeFileSync(join(folder, 'key.pem'), next.key);
      process.emit('SIGHUP');
      await expect(shown()).resolves.toBe(next.fingerprint);
    });
  });
});
