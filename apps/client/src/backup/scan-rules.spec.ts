import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { NO_SCAN_RULES, type ScanRules } from './scan-rules';
import { Workspace } from './workspace.testing';

let work: Workspace;
beforeEach(() => {
  work = new Workspace();
});
afterEach(() => {
  work.remove();
});

const TAG = 'Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n';
const backup = async (rules: Partial<ScanRules>): Promise<string[]> => {
  const outcome = await work.backup({ scanRules: { ...NO_SCAN_RULES, ...rules } });
  expect(outcome.state).toBe('succeeded');
  return work.server.paths(work.source);
};

describe('what is left out by what it is', () => {
  it('is the content of a cache, but not of a directory that only names its tag', async () => {
    for (const name of ['cache', 'no-cache']) {
      mkdirSync(work.path(name));
      writeFileSync(work.path(`${name}/file`), name);
    }
    writeFileSync(work.path('cache/CACHEDIR.TAG'), TAG);
    writeFileSync(work.path('no-cache/CACHEDIR.TAG'), 'something else');
    expect(await backup({ skipsCaches: true })).toEqual([
      'cache',
      'no-cache',
      'no-cache/CACHEDIR.TAG',
      'no-cache/file',
    ]);
    expect(await backup({})).toContain('cache/file');
  });

  it('is the content of a marked directory, which was saved before: it is deselected, not deleted', async () => {
    mkdirSync(work.path('a/below'), { recursive: true });
    writeFileSync(work.path('a/below/file'), 'x');
    expect(await backup({})).toEqual(['a', 'a/below', 'a/below/file']);
    writeFileSync(work.path('a/.nobackup'), '');
    expect(await backup({ markerFile: '.nobackup' })).toEqual(['a']);
    expect(work.server.log.filter((line) => line.startsWith('close'))).toEqual([
      `close ${work.path('a/below/file')} deselected`,
      `close ${work.path('a/below')} deselected`,
    ]);
    expect(await backup({})).toEqual(['a', 'a/.nobackup', 'a/below', 'a/below/file']);
  });

  it('is a file that is too large, also when it was saved while it was smaller', async () => {
    for (const name of ['grows', 'stays']) writeFileSync(work.path(name), '12345');
    expect(await backup({ maxFileBytes: 5 })).toEqual(['grows', 'stays']);
    truncateSync(work.path('grows'), 6);
    expect(await backup({ maxFileBytes: 5 })).toEqual(['stays']);
    expect(work.server.log).toContain(`close ${work.path('grows')} deselected`);
    expect(await backup({})).toEqual(['grows', 'stays']);
    expect(await backup({ maxFileBytes: 5 })).toEqual(['stays']);
  });

  it('is never a root itself', async () => {
    writeFileSync(work.path('.nobackup'), 'content');
    writeFileSync(work.path('CACHEDIR.TAG'), TAG);
    writeFileSync(work.path('file'), '');
    const rules = { markerFile: '.nobackup', skipsCaches: true, maxFileBytes: 1 };
    expect(await backup(rules)).toEqual(['file']);
  });
});
