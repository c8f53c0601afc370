// One-shot service of compose: asks the server for an enrolment code for the client beside it, so that the client never sees a password.
// A client that is enrolled already does not look at it. SERVER_CA_FILE and SERVER_CERT_FINGERPRINT count as they do for the client.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectPlain, isIP } from 'node:net';
import { connect as connectTls, rootCertificates } from 'node:tls';

const { SERVER_URL, SERVER_CA_FILE, SERVER_CERT_FINGERPRINT, ADMIN_USERNAME, ADMIN_PASSWORD_FILE, CODE_FILE } =
  process.env;
const NOT_YET = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'];
const WAIT_MS = Number(process.env.WAIT_SECONDS || 120) * 1_000;
/** A server, or what stands before it, that takes a connection and says nothing. */
const SILENCE_MS = Math.min(30_000, WAIT_MS);
const server = new URL(SERVER_URL || 'http://server:8000');
const host = server.hostname.replace(/^\[|\]$/g, '');
const pins = (SERVER_CERT_FINGERPRINT || '')
  .split(',')
  .map(plain)
  .filter((pin) => pin !== '' && pin !== 'none');

/** Of `openssl x509 -fingerprint`, too: AB:CD... */
function plain(fingerprint) {
  return fingerprint.replace(/^.*=/, '').replaceAll(':', '').trim().toLowerCase();
}

function limited(socket) {
  const silent = () => socket.destroy(new Error(`${server.host} says nothing for ${String(SILENCE_MS / 1_000)} s`));
  return socket.setTimeout(SILENCE_MS, silent);
}

/** A connection on which nothing was said yet, to whom we trust. */
async function connection() {
  const port = Number(server.port) || (server.protocol === 'https:' ? 443 : 80);
  if (server.protocol !== 'https:') return limited(connectPlain({ host, port }));
  const ca = SERVER_CA_FILE ? [...rootCertificates, readFileSync(SERVER_CA_FILE, 'utf8')] : undefined;
  // A pin counts without authority, name and end, unless an authority is named too.
  const rejectUnauthorized = pins.length === 0 || ca !== undefined;
  // A proxy of several names tells by it which one is meant; an address is none.
  const servername = isIP(host) === 0 ? host : undefined;
  const socket = limited(connectTls({ host, port, servername, ca, rejectUnauthorized }));
  await once(socket, 'secureConnect');
  const shown = createHash('sha256').update(socket.getPeerCertificate().raw).digest('hex');
  if (pins.length > 0 && !pins.includes(shown)) {
    socket.destroy();
    throw new Error(
      `the certificate of ${server.host} has the fingerprint ${shown}, which SERVER_CERT_FINGERPRINT does not name`,
    );
  }
  return socket;
}

async function post(path, body, headers = {}) {
  const socket = await connection();
  const options = {
    method: 'POST',
    path: server.pathname.replace(/\/+$/, '') + path,
    headers: { host: server.host, 'content-type': 'application/json', connection: 'close', ...headers },
  };
  const asked = request({ ...options, createConnection: () => socket });
  asked.end(JSON.stringify(body));
  const [answer] = await once(asked, 'response');
  const text = Buffer.concat(await answer.toArray()).toString();
  if (answer.statusCode >= 300)
    throw Object.assign(new Error(`${path}: ${answer.statusCode} ${text}`), { status: answer.statusCode });
  return JSON.parse(text);
}

/** Compose starts this when the server is healthy; a podman that cannot wait for that, at once. */
async function onceServed(work) {
  for (const since = Date.now(); ; await new Promise((done) => setTimeout(done, 1_000))) {
    try {
      return await work();
    } catch (error) {
      if (!NOT_YET.includes(error.code)) throw error;
      if (Date.now() - since <= WAIT_MS) continue;
      throw new Error(`SERVER_URL=${server.origin} does not answer inside this container: ${error.code}`, {
        cause: error,
      });
    }
  }
}

function write(code) {
  rmSync(CODE_FILE, { force: true });
  writeFileSync(CODE_FILE, `${code}\n`, { mode: 0o400 });
  // The client's account inside its image.
  if (process.getuid() === 0) chownSync(CODE_FILE, 1000, 1000);
}

/** Null when the password is not the admin's any more: he was told to change it. */
async function signIn() {
  const password = readFileSync(ADMIN_PASSWORD_FILE, 'utf8').trim();
  try {
    return (await onceServed(() => post('/api/login', { username: ADMIN_USERNAME || 'admin', password }))).access_token;
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

try {
  const token = await signIn();
  if (token === null) {
    process.stdout.write(
      'ADMIN_PASSWORD_FILE is not the password of the admin any more, so no enrolment code was made. A client that is enrolled goes on ' +
        'without. For a new one put the present password into .env (ADMIN_PASSWORD), run this again, and take it out.\n',
    );
  } else {
    const { code } = await post('/api/enrolment_codes', {}, { authorization: `Bearer ${token}` });
    write(code);
    process.stdout.write('an enrolment code for the client was made\n');
  }
} catch (error) {
  process.stderr.write(`no enrolment code for the client: ${error.message}\n`);
  process.exitCode = 1;
}
