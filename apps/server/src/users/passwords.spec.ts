import { verify } from '@node-rs/argon2';
import { Passwords } from './passwords';

jest.mock('@node-rs/argon2', () => {
  const real = jest.requireActual<typeof import('@node-rs/argon2')>('@node-rs/argon2');
  return { ...real, verify: jest.fn(real.verify) };
});
const verified = jest.mocked(verify);

describe('Passwords', () => {
  const passwords = new Passwords();
  beforeAll(() => passwords.onModuleInit());

  it('are kept as argon2id, salted', async () => {
    const [one, two] = await Promise.all([passwords.hash('secret words'), passwords.hash('secret words')]);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(one).not.toBe(two);
  });

  it('match themselves and nothing else, however their letters were composed', async () => {
    const kept = await passwords.hash('caf\u00e9 au lait');
    await expect(passwords.matches(kept, 'cafe\u0301 au lait')).resolves.toBe(true);
    await expect(passwords.matches(kept, 'cafe au lait')).resolves.toBe(false);
  });

  it('never match a user who is not there', async () => {
    await expect(passwords.matches(null, 'anything')).resolves.toBe(false);
  });

  it('cost a user who is not there a real verification', async () => {
    const kept = await passwords.hash('secret words');
    const costOf = (hash: string | undefined): string | undefined => hash?.split('$').slice(1, 4).join('$');
    verified.mockClear();
    await passwords.matches(kept, 'wrong words');
    await passwords.matches(null, 'wrong words');
    const hashes = verified.mock.calls.map(([hash]) => String(hash));
    expect(hashes).toHaveLength(2);
    expect(costOf(hashes[1])).toBe(costOf(kept));
    expect(hashes[1]).toHaveLength(kept.length);
    await expect(Promise.all(verified.mock.results.map(({ value }) => value as Promise<boolean>))).resolves.toEqual([
      false,
      false,
    ]);
  });

  it('are checked for a few at a time, and for no more than can wait', async () => {
    const kept = await passwords.hash('secret words');
    const answers = await Promise.allSettled(
      Array.from({ length: 100 }, () => passwords.matches(kept, 'secret words')),
    );
    const served = answers.filter(({ status }) => status === 'fulfilled');
    expect(served).toHaveLength(34);
    for (const answer of answers) {
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'unavailable' });
      else expect(answer.value).toBe(true);
    }
    await expect(passwords.matches(kept, 'secret words')).resolves.toBe(true);
    await expect(passwords.matches('no hash', 'secret words')).rejects.toThrow();
    await expect(Promise.all([1, 2, 3].map(() => passwords.matches(kept, 'x')))).resolves.toEqual([
      false,
      false,
      false,
    ]);
  });
});
