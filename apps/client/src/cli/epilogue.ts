import { type AgentSetting } from '#common';
import { LOOKUP_RETRY_SECONDS, RETRY_SECONDS } from '../config/agent-settings';
import { ExitCode } from './failure';

export interface Section {
  readonly title: string;
  readonly lines: readonly string[];
}

/** Those that most who run the agent need; docs/operations/settings.md has all. */
const ENVIRONMENT: readonly (readonly [AgentSetting, string])[] = [
  ['HOLDFAST_STATE_DIR', 'where state is kept (default: /var/lib/holdfast for root, ~/.local/state/holdfast else)'],
  ['HOLDFAST_RETRY_SECONDS', 'how long a command waits for a server that is away'],
  ['HOLDFAST_COMPRESSION_LEVEL', 'zstd level of new blocks, 0 to 19 (default: 3)'],
  ['SERVER_CA_FILE', "certificates (PEM) that the server's is checked against, beside those of the system"],
  ['SERVER_CERT_FINGERPRINT', "SHA-256 fingerprints that the server's own certificate must have one of"],
  ['ALLOW_INSECURE_HTTP', 'true: plain http also to public addresses'],
  ['SERVER_URL', 'service: where the server is'],
  ['ENROLMENT_CODE', 'service: enrols this machine; or HOLDFAST_USERNAME and HOLDFAST_PASSWORD'],
  ['CLIENT_NAME', "service: the client's name (default: the host's name)"],
  ['MONITORED_PATHS', 'service: folders of the first task, with commas between'],
  ['BACKUP_SCHEDULE', 'service: cron expression of that task; or BACKUP_INTERVAL in seconds (default: every hour)'],
  ['ALLOW_REMOTE_COMMANDS', "service: true: the server's tasks may run commands here (default: false)"],
  ['CLIENT_UI_PORT', 'service: port of its page (default: 8080)'],
];

/** Told after every help, and in the manual page. */
export const SECTIONS: readonly Section[] = [
  {
    title: 'Service',
    lines: [
      'Without a command, holdfast is the service: it backs up by schedule, does what the server asks for, and has a page to set it up. It runs until SIGTERM.',
    ],
  },
  {
    title: 'Exit codes',
    lines: [
      `${ExitCode.done} done, ${ExitCode.failed} failed, ${ExitCode.usage} bad usage or settings, ${ExitCode.partial} partial. A signal (Ctrl-C, SIGTERM, SIGHUP) cancels, which is ${ExitCode.failed}; a second Ctrl-C or SIGTERM ends the command at once: 130, 143. 129: SIGHUP before it began.`,
    ],
  },
  {
    title: 'A server that is away',
    lines: [
      `Commands wait for it: ${LOOKUP_RETRY_SECONDS} s those that answer a question (snapshots, ls, find, history, diff, runs, stats), ${RETRY_SECONDS} s all others. HOLDFAST_RETRY_SECONDS sets one time for all.`,
    ],
  },
  { title: 'Files', lines: ['State (secret, index files) is kept in HOLDFAST_STATE_DIR.'] },
  {
    title: 'Environment',
    lines: [
      ...ENVIRONMENT.map(([name, meaning]) => `${name}: ${meaning}`),
      'All settings: docs/operations/settings.md.',
    ],
  },
];

/** The sections as help shows them: one line each, or a list. */
export function epilogue(): string {
  const texts = SECTIONS.map(({ title, lines }) =>
    lines.length === 1 ? `${title}: ${lines[0]}` : `${title}:\n${lines.map((line) => `  ${line}`).join('\n')}`,
  );
  return `\n${texts.join('\n')}`;
}
