import { PassThrough } from 'node:stream';
import { ExitCode } from './failure';
import { Output } from './output';

const FULL = { code: 'ENOSPC', message: 'no space left on device', exitCode: ExitCode.failed };

/** What a --json command shows that fails while it reads piece number `failsAt` (from 0) of its answer. */
async function shownWhenPieceFails(failsAt: number): Promise<{ stdout: string; stderr: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const output = new Output(stdout, stderr, true);
  const pieces = function* (): Generator<Buffer> {
    for (let at = 0; at < failsAt; at++) yield Buffer.from(`piece ${at};`);
    throw new Error(FULL.message);
  };
  await expect(output.pieces(pieces())).rejects.toThrow(FULL.message);
  await output.failure(FULL);
  const text = (stream: PassThrough): string => ((stream.read() as Buffer | null) ?? '').toString();
  return { stdout: text(stdout), stderr: text(stderr) };
}

describe('the output of a command with --json', () => {
  it('is one document with the error when the answer fails before its first byte', async () => {
    const { stdout, stderr } = await shownWhenPieceFails(0);
    expect(JSON.parse(stdout)).toEqual({ error: { code: FULL.code, message: FULL.message } });
    expect(stderr).toBe('');
  });

  it('is not followed by another document when the answer fails midway, which stderr tells', async () => {
    expect(await shownWhenPieceFails(1)).toEqual({ stdout: 'piece 0;', stderr: `holdfast: ${FULL.message}\n` });
  });
});
