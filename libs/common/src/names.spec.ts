import { nameOfHost, newNameFault } from './names';

describe('a new name', () => {
  it.each(['a', 'bob', 'web 1 / é', 'Łódź-01', '名前', '🖥 desk', 'x'.repeat(128), '🖥'.repeat(128)])(
    'may be %j',
    (name) => {
      expect(newNameFault(name)).toBeNull();
    },
  );

  it.each([
    ['', '1 to 128'],
    ['x'.repeat(129), '1 to 128'],
    ['   ', 'blank'],
    [' bob2', 'blank'],
    ['bob2 ', 'blank'],
    ['\u00a0bob', 'blank'],
    ['bob\u3000', 'blank'],
    ['bo\u200bb', 'seen'],
    ['bob\u00ad', 'seen'],
    ['gpj.\u202eexe', 'seen'],
    ['a\u2028b', 'seen'],
    ['a\u2029b', 'seen'],
    ['\ufeff', 'seen'],
    ['\u3164', 'seen'],
    ['a\tb', 'control'],
    ['a\ud800', 'seen'],
    ['\udc00a', 'seen'],
  ])('may not be %j', (name, why) => {
    expect(newNameFault(name)).toContain(why);
  });
});

describe('the name of a host', () => {
  it.each([
    ['web-1.example.org', 'web-1.example.org'],
    ['  desk \u200b', 'desk'],
    ['\u202eexe\ud800', 'exe'],
    ['', 'client'],
    [' \u3164\n', 'client'],
    [`${'x'.repeat(127)} yz`, 'x'.repeat(127)],
  ])('of %j is %j, and may be given', (host, name) => {
    expect(nameOfHost(host)).toBe(name);
    expect(newNameFault(name)).toBeNull();
  });
});
