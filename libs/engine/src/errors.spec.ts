import { CorruptError, InvalidError, UnsupportedError } from './errors';

describe('engine errors', () => {
  it('name the place in the message and beside it, and keep the cause', () => {
    const cause = new Error('cause');
    for (const Kind of [CorruptError, UnsupportedError]) {
      const error = new Kind('pack p, byte 7', 'what happened', { cause });
      expect(error.place).toBe('pack p, byte 7');
      expect(error.message).toContain('what happened (pack p, byte 7)');
      expect(error.cause).toBe(cause);
      expect(error.name).toBe(Kind.name);
    }
  });

  it('tell invalid input from damage', () => {
    expect(new InvalidError('too large')).not.toBeInstanceOf(CorruptError);
    expect(new InvalidError('too large').message).toBe('invalid: too large');
  });
});
