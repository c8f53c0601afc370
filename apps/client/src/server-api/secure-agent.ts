import type { Agent as HttpAgent } from 'node:http';
import * as https from 'node:https';
import type { Duplex } from 'node:stream';
import * as tls from 'node:tls';
import type { ServerTrust } from './server-trust';

/** The certificate is none of those that are pinned. */
class WrongFingerprintError extends Error {
  readonly code = 'ERR_TLS_CERT_FINGERPRINT';

  constructor(seen: string) {
    super(
      `its certificate has the fingerprint ${seen}, which is not pinned (SERVER_CERT_FINGERPRINT, or what it was when this machine was enrolled)`,
    );
  }
}

/** Connections over TLS to a server whose certificate is what `trust` says; nothing is sent before that is known. */
export function secureAgent(trust: ServerTrust, connectWithinMs: number): HttpAgent {
  const { ca, fingerprints } = trust;
  const authorities = ca === null ? {} : { ca: [...tls.getCACertificates('default'), ca] };
  const agent = new https.Agent({ keepAlive: true, ...authorities });
  if (fingerprints.length === 0) return agent;
  // A session taken up again shows no certificate.
  const pinned = new https.Agent({ keepAlive: true, maxCachedSessions: 0, ...authorities });
  const rejectUnauthorized = ca !== null;
  pinned.createConnection = (options, callback) => {
    connectPinned({ ...options, rejectUnauthorized } as tls.ConnectionOptions, {
      fingerprints,
      connectWithinMs,
      done: callback as Done,
    });
    return undefined;
  };
  return pinned;
}

type Done = (error: Error | null, socket: Duplex) => void;

/** Hands the connection over once the handshake has shown the right certificate, and only then. */
function connectPinned(
  options: tls.ConnectionOptions,
  { fingerprints, connectWithinMs, done }: { fingerprints: readonly string[]; connectWithinMs: number; done: Done },
): void {
  const socket = tls.connect(options);
  const timer = setTimeout(() => {
    socket.destroy(Object.assign(new Error('it does not answer'), { code: 'ETIMEDOUT' }));
  }, connectWithinMs);
  const end = (error: Error | null): void => {
    clearTimeout(timer);
    socket.removeListener('error', end);
    if (error !== null) socket.on('error', () => undefined).destroy();
    done(error, socket);
  };
  socket.once('error', end);
  socket.once('secureConnect', () => {
    const seen = socket.getPeerX509Certificate()?.fingerprint256.replaceAll(':', '').toLowerCase() ?? 'none';
    end(fingerprints.includes(seen) ? null : new WrongFingerprintError(seen));
  });
}
