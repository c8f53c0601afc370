import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { makeCertificate } from '../../../../test/support/certificate';
import { HttpClient } from './http-client';
import type { ServerTrust } from './server-trust';

const authority = makeCertificate({ name: 'authority', isAuthority: true });
const certificate = makeCertificate({ authority });
const stranger = makeCertificate({ name: 'elsewhere.example' });
const NOBODY: ServerTrust = { ca: null, fingerprints: [] };

describe('a server over TLS', () => {
  const closings: (() => void)[] = [];
  let asked: number;
  beforeEach(() => {
    asked = 0;
  });
  afterEach(() => {
    for (const close of closings.splice(0)) close();
  });

  async function serve({ cert, key } = certificate): Promise<{ url: string; server: Server }> {
    const server = createServer({ cert, key }, (_, response) => {
      asked += 1;
      response.end('answer');
    });
    const sockets: Socket[] = [];
    server.on('connection', (socket: Socket) => sockets.push(socket));
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closings.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
  }

  async function ask(serverUrl: string, trust: ServerTrust): Promise<string> {
    const client = new HttpClient({ serverUrl, trust, signal: new AbortController().signal });
    closings.push(() => {
      client.close();
    });
    return (await client.read({ method: 'GET', path: '/' })).toString();
  }

  it('is refused when nobody vouches for its certificate', async () => {
    const { url } = await serve();
    await expect(ask(url, NOBODY)).rejects.toThrow(/its certificate is not accepted/);
    expect(asked).toBe(0);
  });

  it('is taken with a private authority, under the name that the certificate is for', async () => {
    const trust = { ...NOBODY, ca: authority.cert };
    await expect(ask((await serve()).url, trust)).resolves.toBe('answer');
    const other = await serve(makeCertificate({ name: 'elsewhere.example', authority }));
    const url = other.url.replace('127.0.0.1', 'localhost');
    await expect(ask(url, trust)).rejects.toThrow(/its certificate is not accepted \(ERR_TLS_CERT_ALTNAME_INVALID\)/);
    expect(asked).toBe(1);
  });

  it('is taken by the fingerprint of its certificate, whatever its authority and name', async () => {
    const { url } = await serve(stranger);
    const trust = { ...NOBODY, fingerprints: [certificate.fingerprint, stranger.fingerprint] };
    await expect(ask(url, trust)).resolves.toBe('answer');
    await expect(ask(url.replace('127.0.0.1', 'localhost'), trust)).resolves.toBe('answer');
  });

  it('with another fingerprint hears not one byte of a request, and is told by its own', async () => {
    const { url, server } = await serve(stranger);
    let bytes = 0;
    server.on('secureConnection', (socket: Socket) => socket.on('data', (piece: Buffer) => (bytes += piece.length)));
    const trust = { ...NOBODY, fingerprints: [certificate.fingerprint] };
    await expect(ask(url, trust)).rejects.toThrow(`fingerprint ${stranger.fingerprint}, which is not pinned`);
    expect([asked, bytes]).toEqual([0, 0]);
  });

  it('must be both when authority and fingerprint are given', async () => {
    const { url } = await serve();
    const both = { ca: authority.cert, fingerprints: [certificate.fingerprint] };
    await expect(ask(url, both)).resolves.toBe('answer');
    const wrong = { ca: authority.cert, fingerprints: [stranger.fingerprint] };
    await expect(ask(url, wrong)).rejects.toThrow(/which is not pinned \(SERVER_CERT_FINGERPRINT/);
    const unknown = { ca: makeCertificate({ isAuthority: true }).cert, fingerprints: [certificate.fingerprint] };
    await expect(ask(url, unknown)).rejects.toThrow(/its certificate is not accepted/);
  });

  it('that is away is away: the pin changes nothing about it', async () => {
    const { url, server } = await serve();
    server.close();
    await once(server, 'close');
    const trust = { ...NOBODY, fingerprints: [certificate.fingerprint] };
    await expect(ask(url, trust)).rejects.toThrow(/ECONNREFUSED/);
  });

  it('cannot be pinned over plain http', () => {
    const trust = { ...NOBODY, fingerprints: [certificate.fingerprint] };
    const make = () => new HttpClient({ serverUrl: 'http://box', trust, signal: new AbortController().signal });
    expect(make).toThrow(/pinned.*and plain http shows none/);
  });
});
