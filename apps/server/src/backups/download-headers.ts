import type { ByteRange } from './file-content';

/** `attachment` with the name in both of RFC 6266's forms: plain ASCII for old readers, UTF-8 for all others. */
export function attachment(name: Buffer): string {
  const text = name.toString('utf8');
  const ascii = text.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  // RFC 8187: encodeURIComponent leaves these as they are.
  const encoded = encodeURIComponent(text).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}

/**
 * The one range that a `Range` header asks for (RFC 9110), `unsatisfiable` when it lies beyond the file. Null, for the
 * whole file: no header, several ranges, or words that are none.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  if (match === null) return null;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return null;
  if (first === '') {
    const length = Math.min(size, Number(last));
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return null;
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size : Math.min(size, Number(last) + 1) };
}
