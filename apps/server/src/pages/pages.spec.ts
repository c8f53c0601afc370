import { columnHead, ListAddress, pageOf, parseOrder } from './list-address';
import { Moments } from './moments';
import { ownPath } from './own-path';
import { addressText, countOf, durationText, sizeText } from './quantities';

const NOW = Date.UTC(2026, 10, 26, 23, 30, 0);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('moments', () => {
  const moments = new Moments('Europe/Berlin', NOW);

  it.each([
    [0, 'just now'],
    [-59_999, 'just now'],
    [30_000, 'in a moment'],
    [-MINUTE, '1 min ago'],
    [-59 * MINUTE, '59 min ago'],
    [-HOUR, '1 h ago'],
    [-47 * HOUR, '47 h ago'],
    [-2 * DAY, '2 days ago'],
    [3 * HOUR, 'in 3 h'],
    [-8 * DAY, '19 Nov'],
    [-400 * DAY, '23 Oct 2025'],
  ])('are as short as they can be: %d ms from now is %s', (away, text) => {
    expect(moments.near(NOW + away)?.text).toBe(text);
  });

  it('tell the exact instant in the zone of the reader', () => {
    expect(moments.at(NOW)).toEqual({
      iso: '2026-11-26T23:30:00.000Z',
      text: '27 Nov, 00:30',
      exact: 'Fri, 27 Nov 2026, 00:30:00 CET',
    });
    expect(moments.second(NOW + 5_000)?.text).toBe('27 Nov, 00:30:05');
    expect(moments.dayKey(NOW)).toBe('2026-11-27');
  });

  it('are none for what is no time', () => {
    expect([moments.near(null), moments.at(Number.NaN), moments.at(9e15)]).toEqual([null, null, null]);
  });
});

describe('quantities', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [102_348, '99.9 KiB'],
    [1_048_575, '1.0 MiB'],
    [250 * 1024 ** 2, '250 MiB'],
    [3.25 * 1024 ** 4, '3.3 TiB'],
  ])('%d bytes read %s', (bytes, text) => {
    expect(sizeText(bytes)).toBe(text);
  });

  it('count in words', () => {
    expect([countOf(1, 'file'), countOf(12_345, 'file'), countOf(0, 'entry', 'entries')]).toEqual([
      '1 file',
      '12,345 files',
      '0 entries',
    ]);
  });

  it('tell an IPv4 address plainly', () => {
    expect(['::ffff:10.0.0.7', '::1', '10.0.0.7', null].map(addressText)).toEqual([
      '10.0.0.7',
      '::1',
      '10.0.0.7',
      null,
    ]);
  });

  it('last in two units at most', () => {
    expect([4_200, 42_000, 250_000, 3_720_000].map(durationText)).toEqual(['4.2 s', '42 s', '4 min 10 s', '1 h 2 min']);
  });
});

describe('lists', () => {
  const address = new ListAddress('/clients', { q: 'a b', status: '', sort: undefined });

  it('keep what was chosen in their addresses', () => {
    expect(address.with({})).toBe('/clients?q=a+b');
    expect(address.with({ page: '3' })).toBe('/clients?q=a+b&page=3');
    expect(address.with({ q: undefined })).toBe('/clients');
  });

  it('show a page at a time, the last one for any beyond', () => {
    const items = Array.from({ length: 120 }, (_, at) => at);
    const second = pageOf(items, { page: 2, size: 50, address });
    expect(second.shown).toEqual(items.slice(50, 100));
    expect(second.pager).toEqual({
      words: '51-100 of 120',
      previous: '/clients?q=a+b',
      next: '/clients?q=a+b&page=3',
    });
    expect(pageOf(items, { page: 99, size: 50, address })).toMatchObject({
      shown: items.slice(100),
      pager: { next: null },
    });
    expect(pageOf(items.slice(0, 50), { page: 1, size: 50, address }).pager).toBeNull();
  });

  it('turn round when sorted by the same column again', () => {
    const usual = { by: 'name', isDown: false } as const;
    const order = parseOrder('-size', ['name', 'size'], usual);
    expect(order).toEqual({ by: 'size', isDown: true });
    expect(parseOrder('-other', ['name', 'size'], usual)).toBe(usual);
    expect(columnHead({ key: 'size', label: 'Size', kind: 'number' }, order, address)).toMatchObject({
      href: '/clients?q=a+b&sort=size',
      sort: 'descending',
    });
    expect(columnHead({ key: 'name', label: 'Name' }, order, address)).toMatchObject({
      href: '/clients?q=a+b&sort=name',
      sort: null,
    });
  });
});

describe('a path to go on to', () => {
  it.each([
    ['/clients?status=late', '/clients?status=late'],
    ['/', '/'],
    ['', '/'],
    ['clients', '/'],
    ['https://evil.example/', '/'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['/a\\b', '/'],
    ['/.//evil.example', '/'],
    ['/x/..//evil.example', '/'],
    ['/\n/evil.example', '/'],
    ['/login?to=/', '/'],
    ['/api/clients', '/'],
    [`/${'x'.repeat(3_000)}`, '/'],
  ])('%j leads to %s', (target, path) => {
    expect(ownPath(target)).toBe(path);
  });
});
