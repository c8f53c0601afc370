import { seenText } from './seen-text';
import { Templates } from './templates';

describe('a text on a page', () => {
  it.each([
    ['rtl\u202etxt.exe', 'rtl‹U+202E›txt.exe'],
    ['\u2066a\u2069', '‹U+2066›a‹U+2069›'],
    ['zero\u200bwidth\ufeff', 'zero‹U+200B›width‹U+FEFF›'],
    ['\u001b[31mred\u0007\u0000', '‹U+001B›[31mred‹U+0007›‹U+0000›'],
    ['\u007f\u0085', '‹U+007F›‹U+0085›'],
    ['a\u{e0041}b', 'a‹U+E0041›b'],
    ['gone\rover', 'gone‹U+000D›over'],
    ['two\r\nlines\tand a tab', 'two\r\nlines\tand a tab'],
    ['Übung, עברית, 👩‍👩‍👧, می‌خواهم', 'Übung, עברית, 👩‍👩‍👧, می‌خواهم'],
  ])('%j shows what is there: %s', (text, shown) => {
    expect(seenText(text)).toBe(shown);
  });

  it('is named in every view, and comes back from forms as it was', () => {
    const templates = new Templates();
    const html = templates.render('login', {
      title: 'a\u202eb',
      frame: { csrf: 'f' },
      form: { username: 'c\u202ed', to: '/\u202e' },
      problem: { message: 'e\u202ef <b>' },
    });
    expect(html).toContain('value="c\u202ed"');
    expect(html).toContain('value="/\u202e"');
    expect(html).toContain('a‹U+202E›b');
    expect(html).toContain('e‹U+202E›f &lt;b&gt;');
  });
});
