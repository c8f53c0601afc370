const BASE = 'http://here.invalid';
const MAX_CHARACTERS = 2_000;

/** The path that was asked for when it leads to a page of ours, else `/`: nobody is sent elsewhere by a link to our sign-in. */
export function ownPath(target: string): string {
  if (target.length > MAX_CHARACTERS || !/^\/(?![/\\])/.test(target) || /[\p{Cc}\\]/u.test(target)) return '/';
  if (!URL.canParse(target, BASE)) return '/';
  const { origin, pathname, search } = new URL(target, BASE);
  // `/.//evil.example` is `//evil.example` once its dots are resolved.
  if (origin !== BASE || pathname.startsWith('//') || /^\/(login|logout|api)(\/|$)/.test(pathname)) return '/';
  return pathname + search;
}
