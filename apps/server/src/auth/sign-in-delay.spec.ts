import { accountName, addressName, delayMs, remainingFailures } from './sign-in-delay';

describe('the delay of a sign-in', () => {
  it('begins after some failures, doubles, and ends at a bound', () => {
    expect([0, 4, 5, 6, 7, 20].map((failures) => delayMs('account', failures))).toEqual([0, 0, 250, 500, 1_000, 5_000]);
    expect([19, 20, 40].map((failures) => delayMs('address', failures))).toEqual([0, 250, 60_000]);
  });

  it('is forgotten by halves', () => {
    expect([0, 5, 10, 60].map((minutes) => remainingFailures(8, minutes * 60_000))).toEqual([8, 4, 2, 0]);
    expect(remainingFailures(8, -1)).toBe(8);
    expect(remainingFailures(1, 20)).toBe(1);
  });

  it('counts a name in whatever case, and does not keep it', () => {
    expect(accountName('Ada')).toBe(accountName('ada'));
    expect(accountName('ada')).not.toContain('ada');
  });

  it.each([
    ['10.0.0.1', 'address 10.0.0.1'],
    ['::ffff:10.0.0.1', 'address 10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', 'address 2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', 'address 2001:db8:1:2::/64'],
    ['::1', 'address 0:0:0:0::/64'],
    ['fe80::1%eth0', 'address fe80:0:0:0::/64'],
  ])('counts %s as %s', (address, name) => {
    expect(addressName(address)).toBe(name);
  });
});
