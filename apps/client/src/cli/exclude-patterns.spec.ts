import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeArgument } from './argument-bytes';
import { excludePatterns } from './exclude-patterns';
import { CliError, ExitCode } from './failure';

describe('excludePatterns', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'holdfast-exclude-'));
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  const patternsOf = (exclude: string[], excludeFile: string[] = []): string[] =>
    excludePatterns({ workingDirectory: root }, { exclude, excludeFile });
  const refusal = (exclude: string[], excludeFile: string[] = []): unknown => {
    try {
      return patternsOf(exclude, excludeFile);
    } catch (error) {
      return error;
    }
  };

  it('takes those of arguments, then those of files without blank lines and comments', () => {
    writeFileSync(join(root, 'file'), '# comment\r\n\r\n*.tmp\r\n  \n!keep.tmp\n/caf\u00e9/');
    const given = ['**/cache/', 'a\\ ', 'b  ', '\\#none', '[!a-z]*', '\\[x'];
    expect(patternsOf(given, ['file'])).toEqual([...given, '*.tmp', '!keep.tmp', '/caf\u00e9/']);
  });

  it.each(['#recycle', '/', './x', 'x/../d', '[z-a]', '[', '!a[b', 'a/[b/c', '', '!', 'a\\', 'a//b'])(
    'refuses %j, which matches nothing',
    (pattern) => {
      const error = refusal([pattern]);
      expect(error).toMatchObject({ code: 'usage', exitCode: ExitCode.usage });
      expect((error as CliError).message).toContain(`--exclude: "${pattern.replace('\\', '\\\\')}": `);
    },
  );

  it('refuses what is not UTF-8 and shows its bytes', () => {
    const bytes = Buffer.from('caf\u00e9*', 'latin1');
    const message = '"caf\\xe9*" is not UTF-8. Write "?" for each byte that is none.';
    expect(refusal([decodeArgument(bytes)])).toMatchObject({ code: 'usage', message: `--exclude: ${message}` });
    writeFileSync(join(root, 'file'), Buffer.concat([Buffer.from('*.tmp\n# \n'), bytes, Buffer.from('\n')]));
    expect(refusal([], ['file'])).toMatchObject({ code: 'usage', message: `--exclude-file, line 3: ${message}` });
  });

  it('refuses one that is too long, and too many', () => {
    expect(patternsOf(['x'.repeat(4_096)])).toHaveLength(1);
    expect(refusal(['x'.repeat(4_097)])).toMatchObject({
      code: 'usage',
      message: `--exclude: "${'x'.repeat(100)}"... is longer than 4096 characters.`,
    });
    expect(refusal(Array.from({ length: 10_001 }, () => 'x'))).toMatchObject({ code: 'usage' });
  });

  it('refuses a file that cannot be read', () => {
    expect(refusal([], ['missing'])).toMatchObject({ code: 'usage' });
  });
});
