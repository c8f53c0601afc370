import { createHash, timingSafeEqual } from 'node:crypto';

/** Name of the field that every form carries. */
export const FORM_TOKEN = '_csrf';

/** What the forms of a browser carry: only who knows its cookie can tell it, and it does not tell the cookie. */
export function formToken(cookieValue: string): string {
  return createHash('sha256').update('holdfast form\0').update(cookieValue).digest('hex');
}

export function isFormToken(cookieValue: string, given: unknown): boolean {
  if (typeof given !== 'string') return false;
  const [right, told] = [Buffer.from(formToken(cookieValue)), Buffer.from(given)];
  return right.length === told.length && timingSafeEqual(right, told);
}
