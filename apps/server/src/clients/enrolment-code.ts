import { createHash, randomBytes } from 'node:crypto';

/** Crockford's base 32: no letters that look like digits. */
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const CODE_DIGITS = 24;

/** 120 random bits in groups of four: `7K3M-...`. */
export function newEnrolmentCode(): string {
  const digits = [...randomBytes(CODE_DIGITS)].map((byte) => DIGITS[byte % 32] ?? '').join('');
  return digits.match(/.{4}/g)?.join('-') ?? digits;
}

/** What is kept of a code. Case, dashes and spaces do not matter, nor O for 0 and I or L for 1. */
export function enrolmentCodeHash(code: string): Buffer {
  const plain = code.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1');
  return createHash('sha256').update(`holdfast enrolment\0${plain}`).digest();
}
