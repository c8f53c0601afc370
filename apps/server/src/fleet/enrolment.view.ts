import type { Moments } from '../pages/moments';

export interface EnrolmentFacts {
  readonly name: string;
  readonly paths: string;
  readonly code: string;
  readonly expiresAtMs: number;
  /** PUBLIC_URL; null: nobody said what the server is called from elsewhere. */
  readonly serverUrl: string | null;
  /** SHA-256 of the certificate that this server shows; null: it does no TLS itself. */
  readonly fingerprint: string | null;
  readonly moments: Moments;
}

const UNKNOWN_SERVER = 'https://backup.example.org';

/** Pure: commands to copy, each value quoted for the shell. */
export function enrolmentView(facts: EnrolmentFacts) {
  const { name, paths, code, expiresAtMs, serverUrl, fingerprint, moments } = facts;
  const folders = paths === '' ? '/home' : paths;
  const values = [
    ['SERVER_URL', serverUrl ?? UNKNOWN_SERVER],
    ['ENROLMENT_CODE', code],
    ['CLIENT_NAME', name],
    ...(fingerprint === null ? [] : [['SERVER_CERT_FINGERPRINT', fingerprint] as const]),
  ] as const;
  const lines = values.map(([setting, value]) => `${setting}=${quoted(value)} \\`);
  return {
    title: `Add ${name}`,
    name,
    code,
    expires: moments.near(expiresAtMs),
    fingerprint,
    isServerUnknown: serverUrl === null,
    unknownServer: UNKNOWN_SERVER,
    compose: [...lines, 'docker compose -f docker-compose.client.yml up -d'].join('\n'),
    node: [...lines, `MONITORED_PATHS=${quoted(folders)} \\`, 'npm run start:client'].join('\n'),
  };
}

/** For a POSIX shell: plain words stay as they are. */
function quoted(text: string): string {
  return /^[\w.:/,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
