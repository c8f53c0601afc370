import { HELP, parseJobWords } from './job-words';
import { reportLines } from './job-report';

describe('commands of the server', () => {
  it('are jobs with the flags that each knows', () => {
    expect(parseJobWords(['scrub', '--now', '--json'])).toEqual({
      ...{ job: 'scrub', isDryRun: false, isFull: true, isJson: true },
    });
    expect(parseJobWords(['reclaim', '--dry-run'])).toMatchObject({ job: 'reclaim', isDryRun: true, isFull: false });
    expect(parseJobWords(['catalog', 'dump', '--json'])).toMatchObject({ job: 'catalog-dump', isJson: true });
    for (const half of [['catalog'], ['catalog', 'dumps']])
      expect(() => parseJobWords(half)).toThrow('Usage: holdfast-server catalog dump');
    expect(() => parseJobWords(['catalog', 'dump', '--now'])).toThrow('Usage: holdfast-server catalog dump');
    expect(parseJobWords(['reset-password', 'x'])).toBeNull();
    expect(parseJobWords([])).toBeNull();
    expect(() => parseJobWords(['reclaim', '--now'])).toThrow('reclaim does not know "--now"');
    expect(() => parseJobWords(['scrub', 'all'])).toThrow('Usage: holdfast-server scrub');
  });

  it('are all in the help', () => {
    for (const name of ['retention', 'reclaim', 'scrub', 'catalog dump', 'restore-catalog', 'reset-password'])
      expect(HELP).toContain(`\n  ${name} `);
  });

  it('tell people what they did', () => {
    const run = { no: 1, job: 'scrub', trigger: 'person', startedMs: 0, endedMs: 1_500 } as const;
    const report = { packsRead: 1_234, bytesRead: 3 * 1024 * 1024, byReason: [{ reason: 'days', bytes: 7 }], none: [] };
    expect(reportLines({ ...run, isDryRun: false, outcome: 'succeeded', report })).toEqual([
      'scrub: succeeded in 1.5 s',
      '  packs read: 1,234',
      '  bytes read: 3.0 MiB',
      '  by reason:',
      '    0:',
      '      reason: days',
      '      bytes: 7 bytes',
    ]);
    const [first] = reportLines({ ...run, isDryRun: true, outcome: 'failed', report: { error: 'x' } });
    expect(first).toBe('scrub (dry run: nothing was changed): failed in 1.5 s');
  });
});
