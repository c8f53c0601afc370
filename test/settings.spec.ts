import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AGENT_SECRETS, AGENT_SETTINGS, SERVER_SECRETS, SERVER_SETTINGS } from '#common';
import { loadServiceSettings } from '../apps/client/src/config/service-settings';
import { loadServerSettings } from '../apps/server/src/config/server-settings';

const ROOT = join(__dirname, '..');
const EXAMPLE = readFileSync(join(ROOT, '.env.example'), 'utf8');
const TABLE = readFileSync(join(ROOT, 'docs/operations/settings.md'), 'utf8');
const MACHINE = { hostName: 'box', isContainer: false, timeZone: 'UTC' };
const TESTS_ONLY = ['HOLDFAST_KILL_AT', 'HOLDFAST_CLOCK_AHEAD_SECONDS'];
/** Where the agent keeps its state, and in which zone it is, is the system's to say. */
const SYSTEM = ['XDG_STATE_HOME'];

/** Every name that `load` asks an environment for. */
function askedBy(load: (env: Record<string, string>) => unknown): string[] {
  const asked = new Set<string>();
  const answer = (_: object, name: string): undefined => void asked.add(name);
  load(new Proxy({}, { get: answer, ownKeys: () => [] }));
  return [...asked].filter((name) => ![...TESTS_ONLY, ...SYSTEM].includes(name)).sort();
}

const withFiles = (names: readonly string[], secrets: readonly string[]): string[] =>
  [...names, ...secrets.map((name) => `${name}_FILE`)].sort();

interface Told {
  readonly name: string;
  readonly default: string;
  readonly unit: string;
  readonly hasFile: boolean;
}

function toldByExample(): Told[] {
  return [...EXAMPLE.matchAll(/((?:^# .*\n)+)([A-Z][A-Z0-9_]*)=(.*)$/gm)].map(
    ([, comment = '', name = '', value = '']) => {
      const text = comment.replace(/\n# /g, ' ');
      return { name, default: value, unit: /\[([^\]]+)\]/.exec(text)?.[1] ?? '', hasFile: text.includes('(file)') };
    },
  );
}

function toldByTable(): Told[] {
  return [...TABLE.matchAll(/^\| `([A-Z0-9_]+)` \| (?:`([^`]+)`)? ?\| ([^|]+) \| (file)? ?\| \S.* \|$/gm)].map(
    ([, name = '', value = '', unit = '', file]) => ({ name, default: value, unit, hasFile: file !== undefined }),
  );
}

describe('the settings', () => {
  it('are the same in the classes that read them and in the lists of names', () => {
    expect(askedBy((env) => loadServerSettings(env))).toEqual(withFiles(SERVER_SETTINGS, SERVER_SECRETS));
    expect(askedBy((env) => loadServiceSettings(env, MACHINE))).toEqual(withFiles(AGENT_SETTINGS, AGENT_SECRETS));
  });

  it('are the same in .env.example, once each, with default and unit', () => {
    const told = toldByExample();
    expect(told.map(({ name }) => name).sort()).toEqual([...new Set([...SERVER_SETTINGS, ...AGENT_SETTINGS])].sort());
    // Nothing in the file escapes the pattern above.
    expect(EXAMPLE.match(/^[A-Z][A-Z0-9_]*=/gm)).toHaveLength(told.length);
    for (const { name, unit } of told) expect([name, unit]).toEqual([name, expect.stringMatching(/./)]);
  });

  it('are the same in the table of docs/operations/settings.md', () => {
    expect(toldByTable()).toEqual(toldByExample());
  });

  it('may stand in files where both say so', () => {
    const secrets = [...new Set([...SERVER_SECRETS, ...AGENT_SECRETS])].sort();
    const told = toldByExample().filter(({ hasFile }) => hasFile);
    expect(told.map(({ name }) => name).sort()).toEqual(secrets);
  });

  it('that .env.example shows are good ones, for both', () => {
    const env = Object.fromEntries(toldByExample().map((told) => [told.name, told.default]));
    expect(() => loadServerSettings(env)).not.toThrow();
    expect(() => loadServiceSettings(env, MACHINE)).not.toThrow();
  });

  it('that .env.example shows are the defaults, but for what a bare server leaves open', () => {
    const env = Object.fromEntries(toldByExample().map((told) => [told.name, told.default]));
    const named = loadServerSettings(env);
    // Where a value came from differs, of course.
    expect(Object.assign(named, { origins: null })).toEqual(
      Object.assign(loadServerSettings({}), {
        protectDays: 7,
        deletedDays: 180,
        adminUsername: 'admin',
        origins: null,
      }),
    );
    expect(loadServiceSettings(env, MACHINE)).toEqual(loadServiceSettings({}, MACHINE));
  });
});
