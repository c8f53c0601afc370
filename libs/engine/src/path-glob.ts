import { InvalidError } from './errors';

/**
 * A predicate over whole paths (bytes). `*` and `?` stay within a name, `**` goes over any number of directories; what lies
 * below a match matches too. Throws InvalidError when the pattern is not absolute.
 */
export function pathGlob(pattern: Buffer): (path: Buffer) => boolean {
  const text = pattern.toString('latin1');
  if (!text.startsWith('/')) throw new InvalidError('a pattern begins with /');
  const body = text.replace(/\/+$/, '');
  const source = body.replace(/\/\*\*(?=\/|$)|\*\*|\*|\?|[\\^$.|+()[\]{}]/g, (part) => {
    if (part === '/**') return '(?:/[^/]+)*';
    if (part === '**') return '.*';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : `\\${part}`;
  });
  // `s`: a name may hold line feeds.
  const expression = new RegExp(`^${source}(?:/.*)?$`, 's');
  return (path) => expression.test(path.toString('latin1'));
}
