import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentLog } from './agent-log';
import { LogSpool } from './log-spool';

let stateDir: string;
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'holdfast-spool-'));
});
afterEach(() => {
  rmSync(stateDir, { recursive: true, force: true });
});

function fill(spool: LogSpool, from: number, to: number): void {
  for (let index = from; index <= to; index += 1)
    spool.append({ timeMs: index, level: 'info', message: `line ${index}` });
}

describe('the spool of log lines', () => {
  it('gives lines in order, by number, until they are acknowledged, also to the next process', () => {
    const first = new LogSpool(stateDir);
    expect(first.read(1, 10)).toBeNull();
    fill(first, 1, 2_500);
    const spool = new LogSpool(stateDir);
    fill(spool, 2_501, 2_510);
    const batch = spool.read(1, 500)!;
    expect(batch).toMatchObject({ firstSequence: 1 });
    expect(batch.lines.map((line) => line.message)).toEqual(Array.from({ length: 500 }, (_, at) => `line ${at + 1}`));
    expect(spool.read(999, 500)!.lines).toHaveLength(2);
    expect(spool.read(1_001, 1)).toMatchObject({ firstSequence: 1_001, lines: [{ message: 'line 1001' }] });
    expect(spool.read(2_510, 10)).toMatchObject({ spoolId: batch.spoolId, lines: [{ message: 'line 2510' }] });
    expect(spool.read(2_511, 10)).toBeNull();
    spool.acknowledge(2_511);
    // Numbers go on where they were, though the server has everything.
    const again = new LogSpool(stateDir);
    fill(again, 2_511, 2_511);
    expect(again.read(2_511, 10)).toMatchObject({ firstSequence: 2_511, lines: [{ message: 'line 2511' }] });
  });

  it('is bounded: the oldest lines go first, and the numbers tell how many', () => {
    const spool = new LogSpool(stateDir);
    fill(spool, 1, 50_001);
    expect(spool.read(1, 1)).toMatchObject({ firstSequence: 1_001, lines: [{ message: 'line 1001' }] });
    expect(readdirSync(join(stateDir, 'log', spool.read(1, 1)!.spoolId))).toHaveLength(50);
  });

  it('goes on after a line that a crash cut off', () => {
    const spool = new LogSpool(stateDir);
    fill(spool, 1, 1);
    const { spoolId } = spool.read(1, 1)!;
    const [file] = readdirSync(join(stateDir, 'log', spoolId));
    appendFileSync(join(stateDir, 'log', spoolId, file!), '{"timeMs":2,"lev');
    const next = new LogSpool(stateDir);
    fill(next, 3, 3);
    expect(next.read(1, 10)!.lines.map((line) => line.message)).toEqual([
      'line 1',
      expect.stringContaining('cut off'),
      'line 3',
    ]);
  });
});

describe('the log of the agent', () => {
  it('prints one line for each message, and sends what it prints, but for what is local', () => {
    const printed: string[] = [];
    const spool = new LogSpool(stateDir);
    const log = new AgentLog(
      spool,
      (line) => printed.push(line),
      () => 0,
    );
    log.error('two\nlines\0\ud800', '11111111-aaaa-4aaa-8aaa-aaaaaaaaaaaa');
    log.local('setup code 123');
    expect(printed).toEqual([
      '1970-01-01T00:00:00.000Z error two | lines\ufffd\ufffd\n',
      '1970-01-01T00:00:00.000Z info setup code 123\n',
    ]);
    expect(spool.read(1, 10)!.lines).toEqual([
      { timeMs: 0, level: 'error', message: 'two\nlines\ufffd\ufffd', runId: '11111111-aaaa-4aaa-8aaa-aaaaaaaaaaaa' },
    ]);
  });
});
