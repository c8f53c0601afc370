import { createHash, randomInt, timingSafeEqual } from 'node:crypto';

/** Without letters that are taken for digits. */
const ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const LENGTH = 10;
const VALID_MS = 24 * 60 * 60_000;
/** Guesses in one minute, from wherever they come: 32^10 codes cannot be tried at this pace. */
const GUESSES_PER_MINUTE = 10;

/**
 * The code that whoever reads this machine's log proves it with. It lets one browser in, and ends after a day: logs are kept,
 * and what stands in one for long must be worth nothing. The next one is told in the log when somebody asks for the page.
 */
export class SetupCode {
  private code: string | null = null;
  private madeMs = 0;
  private guesses: number[] = [];

  constructor(
    private readonly tell: (code: string) => void,
    private readonly now: () => number = Date.now,
  ) {}

  /** Makes sure that there is a code, and that the log has told it. */
  offer(): void {
    if (this.code !== null && this.now() - this.madeMs < VALID_MS) return;
    const letters = Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)] ?? '');
    this.code = `${letters.slice(0, 5).join('')}-${letters.slice(5).join('')}`;
    this.madeMs = this.now();
    this.tell(this.code);
  }

  /** `slow-down`: too many guesses; this one was not looked at. */
  check(guess: string): 'right' | 'wrong' | 'slow-down' {
    const since = this.now() - 60_000;
    this.guesses = this.guesses.filter((at) => at > since);
    if (this.guesses.length >= GUESSES_PER_MINUTE) return 'slow-down';
    this.guesses.push(this.now());
    this.offer();
    if (!isSame(plain(guess), plain(this.code ?? ''))) return 'wrong';
    this.code = null;
    return 'right';
  }
}

function plain(code: string): string {
  return code.toUpperCase().replace(/[\s-]/g, '');
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
