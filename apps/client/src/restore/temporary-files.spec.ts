import { chmodSync, constants, openSync, readdirSync, writeFileSync } from 'node:fs';
import { DirectoryTree } from './directory-tree';
import { type ConflictPolicy } from './ports';
import { TemporaryFiles } from './temporary-files';
import { OWN, Sandbox } from './testing';
import { UNFINISHED_MODE } from './unfinished';

const ENTRY = { kind: 'file', size: 1, mtimeNs: 0n, mode: 0o644, content: null, ...OWN } as const;

describe('what a thread that died left of a file', () => {
  let sandbox: Sandbox;
  beforeEach(() => {
    sandbox = new Sandbox();
  });
  afterEach(() => {
    sandbox.remove();
  });

  function left(policy: ConflictPolicy, standing: Record<string, number>): string[] {
    const tree = new DirectoryTree(openSync(sandbox.target, constants.O_RDONLY | constants.O_DIRECTORY));
    try {
      const files = new TemporaryFiles(tree, policy, null, '.holdfast-');
      for (const [name, mode] of Object.entries(standing)) {
        writeFileSync(sandbox.in(name), 'x');
        chmodSync(sandbox.in(name), mode);
      }
      files.discardBegun(Buffer.from('/f'), 7, ENTRY);
      return readdirSync(sandbox.target);
    } finally {
      tree.close();
    }
  }

  it('is removed, under its temporary name and under its own', () => {
    expect(left('refuse', { '.holdfast-7': 0o600, f: UNFINISHED_MODE })).toEqual([]);
  });

  it('stays when it is whole', () => {
    expect(left('refuse', { f: 0o644 })).toEqual(['f']);
  });

  it('is only what has the temporary name where old files are replaced', () => {
    expect(left('overwrite', { '.holdfast-7': 0o600, f: UNFINISHED_MODE })).toEqual(['f']);
  });

  it('may be nothing', () => {
    expect(left('skip', {})).toEqual([]);
  });
});
