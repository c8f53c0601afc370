import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AGENT_SECRETS, AGENT_SETTINGS, SERVER_SECRETS, SERVER_SETTINGS } from '#common';
import { HELP } from '../apps/server/src/cli/job-words';

const ROOT = join(__dirname, '..');
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const filesIn = (folder: string, fits: RegExp): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => fits.test(name))
    .map((name) => join(folder, name));

/** A slip that a document warns of. */
const SLIP = 'S3_BUKET';
/** What commands of backups get. */
const HOOKS = /\bHOLDFAST_[A-Z_]+/g;

const DOCUMENTS = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...filesIn('docs', /\.md$/)];
const OPERATIONS = filesIn('docs/operations', /\.md$/);

/** What is in code quotes, blocks of code left out. */
const quoted = (text: string): string[] =>
  [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, words = '']) => words);

describe.each(DOCUMENTS)('%s', (file) => {
  it('links to files that there are', () => {
    const targets = [...textOf(file).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
    for (const target of targets) {
      const [path = ''] = target.split('#');
      if (path === '' || /^[a-z]+:/.test(path)) continue;
      expect([target, existsSync(join(ROOT, dirname(file), decodeURI(path)))]).toEqual([target, true]);
    }
  });
});

describe.each(OPERATIONS)('%s', (file) => {
  it('names settings that there are', () => {
    const known = new Set<string>([...SERVER_SETTINGS, ...AGENT_SETTINGS]);
    for (const secret of [...SERVER_SECRETS, ...AGENT_SECRETS]) known.add(secret).add(`${secret}_FILE`);
    for (const source of filesIn('apps/client/src', /(?<!\.spec)\.ts$/))
      for (const [name] of textOf(source).matchAll(HOOKS)) known.add(name);
    const ours =
      /^(?:HOLDFAST|S3|BACKUP|RETENTION|RECLAIM|SCRUB|CATALOG|SERVER|TLS|MAX|MIN|METRICS|DATABASE)_[A-Z0-9_]+$/;
    const named = quoted(textOf(file)).flatMap((words) => words.split(/[=\s]/).slice(0, 1));
    for (const name of named.filter((word) => ours.test(word) && word !== SLIP)) expect(known).toContain(name);
  });

  it('names commands of the server that there are', () => {
    const commands = [...textOf(file).matchAll(/\bholdfast-server ((?:[a-z][a-z-]+ ?){1,2})/g)].map(
      ([, words = '']) => words,
    );
    for (const words of commands) {
      const [first = '', second = ''] = words.split(' ');
      expect([words, HELP.includes(`${first} ${second}`) || HELP.includes(`  ${first}`)]).toEqual([words, true]);
    }
  });
});

describe('docs/operations/troubleshooting.md', () => {
  /** Sources with messages in one piece: what stands between them in several lines, or is put in, is `...`. */
  const code = ['apps', 'libs', 'deploy'].flatMap((folder) => filesIn(folder, /(?<!\.spec)\.(?:ts|mjs)$/));
  const sources = code
    .filter((name) => !/testing/.test(name))
    .map((name) =>
      textOf(name)
        .replace(/['`"]\s*\+\s*['`"]/g, '')
        .replace(/\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}/g, '...'),
    );
  const messages = [...textOf('docs/operations/troubleshooting.md').matchAll(/^\| (.*?) \|/gm)].flatMap(
    ([, cell = '']) => quoted(cell),
  );

  it('has messages', () => {
    expect(messages.length).toBeGreaterThan(20);
  });

  it.each(messages)('%s: is what the code says', (message) => {
    const pieces = message
      .split('...')
      .map((piece) => piece.trim())
      .filter((piece) => piece !== '' && !/^[:;,.]$/.test(piece));
    for (const piece of pieces) {
      const found = sources.some((source) => source.includes(piece));
      expect([piece, found]).toEqual([piece, true]);
    }
  });
});
