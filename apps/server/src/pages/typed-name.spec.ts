import { isTypedName, nameOfForm } from './typed-name';

describe('a name that is typed', () => {
  it.each([
    ['bob', 'bob'],
    ['cafe\u0301', 'caf\u00e9'],
    ['bob2', ' bob2 '],
    ['a b', 'a  b'],
    ['bo‹U+200B›b', 'bo\u200bb'],
    ['bo\u200bb', 'bo\u200bb'],
    [' ', '   '],
    ['   ', '   '],
  ])('%j stands for %j', (typed, name) => {
    expect(isTypedName(typed, name)).toBe(true);
  });

  it.each([
    ['', '   '],
    ['', 'bob'],
    ['Bob', 'bob'],
    ['bob', 'bo\u200bb'],
    ['bob', 'bobby'],
  ])('%j does not stand for %j', (typed, name) => {
    expect(isTypedName(typed, name)).toBe(false);
  });

  it('stays what it was in a form that was not touched, and is trimmed in one that was', () => {
    expect(nameOfForm(' bob2 ', ' bob2 ')).toBe(' bob2 ');
    expect(nameOfForm(' bob3 ', ' bob2 ')).toBe('bob3');
  });
});
