import { nativeCalls } from './native-calls';

const PAGE = 65_536;

describe('Memory that is forgotten', () => {
  const calls = nativeCalls()?.memory ?? null;

  it('is told to the system by a call of the C library', () => {
    expect(calls).not.toBeNull();
  });

  it('has its whole pages given back, keeps what lies beside it, and can be written again', () => {
    const whole = Buffer.allocUnsafeSlow(16 * PAGE).fill(1);
    // Neither end at a page.
    const middle = whole.subarray(3 * PAGE + 100, 11 * PAGE + 300);
    calls?.forget(middle);
    expect(whole.subarray(0, 3 * PAGE + 100).every((byte) => byte === 1)).toBe(true);
    expect(whole.subarray(11 * PAGE + 300).every((byte) => byte === 1)).toBe(true);
    // Linux hands out zeroed pages: so these are new ones.
    expect(middle.filter((byte) => byte === 0).length).toBeGreaterThanOrEqual(6 * PAGE);
    middle.fill(2);
    expect(middle.every((byte) => byte === 2)).toBe(true);
  });

  it('may be shorter than a page: then it stays as it is', () => {
    const few = Buffer.allocUnsafeSlow(100).fill(1);
    calls?.forget(few);
    calls?.forget(Buffer.alloc(0));
    expect(few.every((byte) => byte === 1)).toBe(true);
  });
});
