import { type LineRun, runLine } from './run-line';

const run = (runId: string, parentRunId: string | null, stampMs: number): LineRun => ({
  ...{ runId, parentRunId, stampMs, number: stampMs },
});
const ids = (line: { adopt: readonly LineRun[]; left: readonly { run: LineRun }[] }): [string[], string[]] => [
  line.adopt.map(({ runId }) => runId),
  line.left.map((left) => left.run.runId),
];

describe('the line of runs that only storage knows', () => {
  const head = run('h', 'g', 10);

  it.each([
    ['follows the head, oldest first', head, [run('c', 'b', 13), run('a', 'h', 11), run('b', 'a', 12)], 'abc', ''],
    ['is empty when there is nothing', head, [], '', ''],
    ['begins where the catalog has no run', null, [run('a', null, 1), run('b', 'a', 2)], 'ab', ''],
    ['is that of the newest leaf', head, [run('a', 'h', 11), run('b', 'h', 12)], 'b', 'a'],
    ['is not there when a run in its midst is missing', head, [run('b', 'a', 12)], '', 'b'],
    ['is not there when it left the head behind', head, [run('b', 'g', 12)], '', 'b'],
    ['loses to a head that is newer', head, [run('b', 'g', 9)], '', 'b'],
    ['does not begin anew beside a head', head, [run('b', null, 12)], '', 'b'],
    ['ends in no circle', head, [run('a', 'b', 11), run('b', 'a', 12), run('c', 'b', 13)], '', 'abc'],
  ])('%s', (_, from, unknown, adopted, left) => {
    const [found, rest] = ids(runLine(from, unknown));
    expect([found.join(''), rest.sort().join('')]).toEqual([adopted, left]);
  });
});
