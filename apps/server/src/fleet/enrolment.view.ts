import type { Moments } from '../pages/moments';

export interface EnrolmentFacts {
  readonly name: string;
  readonly paths: string;
  readonly code: string;
  readonly expiresAtMs: number;
  /** PUBLIC_URL; null: nobody said what the server is called from elsewhere. */
  readonly serverUrl: string | null;
  /** What this server shows to machines, with its SHA-256; null: it does no TLS itself, or a proxy's is shown. */
  readonly certificate: { readonly fingerprint: string; readonly isSelfSigned: boolean } | null;
  readonly moments: Moments;
}

const UNKNOWN_SERVER = 'https://backup.example.org';
/** The second file mounts the machine: with the first alone the paths would be those of the container, and empty. */
const COMPOSE_UP = 'docker compose -f docker-compose.client.yml -f docker-compose.host.yml up --build -d';

/** Pure: commands to copy, each value quoted for the shell. */
export function enrolmentView(facts: EnrolmentFacts) {
  const { name, paths, code, expiresAtMs, serverUrl, certificate, moments } = facts;
  const folders = paths === '' ? '/home' : paths;
  // One of an authority is pinned by who says so only: its successor has another fingerprint, and comes by itself.
  const pinned = certificate?.isSelfSigned === true ? certificate.fingerprint : null;
  const values = [
    ['SERVER_URL', serverUrl ?? UNKNOWN_SERVER],
    ['ENROLMENT_CODE', code],
    ['CLIENT_NAME', name],
    ...(pinned === null ? [] : [['SERVER_CERT_FINGERPRINT', pinned] as const]),
    ['MONITORED_PATHS', folders],
  ] as const;
  const lines = values.map(([setting, value]) => `${setting}=${quoted(value)} \\`);
  return {
    title: `Add ${name}`,
    name,
    code,
    expires: moments.near(expiresAtMs),
    fingerprint: certificate?.fingerprint ?? null,
    isPinned: pinned !== null,
    isServerUnknown: serverUrl === null,
    unknownServer: UNKNOWN_SERVER,
    compose: [...lines, COMPOSE_UP].join('\n'),
    node: [...lines, 'npm run start:client'].join('\n'),
  };
}

/** Pure: puts a client's new secret on its machine, where standard input takes it: no list of processes shows it. */
export function secretCommand({ clientId, serverUrl }: { clientId: string; serverUrl: string | null }) {
  return {
    command: `holdfast enroll --server ${quoted(serverUrl ?? UNKNOWN_SERVER)} --client ${clientId}`,
    isServerUnknown: serverUrl === null,
    unknownServer: UNKNOWN_SERVER,
  };
}

/** For a POSIX shell: plain words stay as they are. */
function quoted(text: string): string {
  return /^[\w.:/,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
