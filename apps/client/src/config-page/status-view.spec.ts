import type { RunSummary } from '#common';
import { ownTaskOf } from '../schedule/agent-task';
import { loadServiceSettings } from '../config/service-settings';
import { type StatusFacts, statusView } from './status-view';
import { Templates } from './templates';

const HOSTILE = `"><script>alert('x')</script><b onclick=y>`;
const settings = loadServiceSettings(
  { HOLDFAST_STATE_DIR: '/nowhere' },
  { hostName: 'box', isContainer: false, timeZone: 'UTC' },
);
const task = ownTaskOf(settings, ['/srv'])!;
const run = { task: HOSTILE, state: 'failed', startedMs: 0, endedMs: 5_000, files: 3, error: HOSTILE } as RunSummary;

const FACTS: StatusFacts = {
  clientName: HOSTILE,
  clientId: '7f3e2a10-0000-4000-8000-000000000001',
  publicUrl: null,
  serverUrl: 'https://backup.example.org',
  link: { is: 'away', reason: HOSTILE, sinceMs: 0 },
  tasks: [{ ...task, name: HOSTILE, key: HOSTILE, paths: [`/srv/${HOSTILE}`] }],
  nextDueMs: () => 0,
  running: null,
  waitingKeys: [],
  runs: [run],
  clockAheadMs: 0,
};

function page(facts: Partial<StatusFacts> = {}): string {
  return new Templates().render('status', {
    ...statusView({ ...FACTS, ...facts }),
    title: 'Status',
    token: 'abc',
    notice: undefined,
  });
}

describe('the status page', () => {
  it('shows whatever a server, a folder or an error is called as text', () => {
    const html = page();
    expect(html.match(/&lt;script&gt;/g)).toHaveLength(8);
    expect(html).not.toMatch(/<script|<b onclick|alert\('/);
    expect(page({ link: { is: 'refused', reason: HOSTILE } })).not.toMatch(/<script|<b onclick/);
    const phase = { key: HOSTILE, phase: HOSTILE, files: 1 };
    expect(page({ running: phase })).not.toMatch(/<script|<b onclick/);
  });

  it.each([
    ['https://public.example/', 'https://public.example/clients/'],
    ['javascript:alert(1)', 'https://backup.example.org/clients/'],
    [HOSTILE, 'https://backup.example.org/clients/'],
    [`https://x.example/"onclick="y`, 'https://x.example/&quot;onclick&#x3D;&quot;y/clients/'],
    [null, 'https://backup.example.org/clients/'],
  ])('leads to the server that calls itself %j by %s', (publicUrl, href) => {
    expect(page({ publicUrl })).toContain(`<a href="${href}${FACTS.clientId}"`);
  });

  it('tells a clock that is wrong, and when the server is not there', () => {
    expect(page({ clockAheadMs: -61_000 })).toContain('The clock of this machine is 61 s behind the server');
    expect(page({ clockAheadMs: 4_000 })).not.toContain('The clock of this machine');
    expect(page({ runs: null })).toContain('The server cannot be asked at the moment.');
  });
});
