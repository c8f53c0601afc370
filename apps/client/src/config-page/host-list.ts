import { isIP } from 'node:net';

/**
 * May a browser that names this host in its address be answered? A page of a stranger can point its own name at this
 * machine (DNS rebinding) and would then be same-origin with us: so names are those that the operator lists, and
 * localhost. An address is no name: nobody can point it elsewhere.
 */
export function isAllowedHost(header: string | undefined, allowedNames: readonly string[]): boolean {
  if (header === undefined) return false;
  const url = URL.canParse(`http://${header}`) ? new URL(`http://${header}`) : null;
  if (url === null || url.pathname !== '/' || url.username !== '' || url.search !== '' || url.hash !== '') return false;
  const name = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  return isIP(name) !== 0 || name === 'localhost' || allowedNames.includes(name);
}

/** A form may be sent by our own pages only. Browsers that send no Origin are told apart by the token in the form. */
export function isOwnOrigin(origin: string | undefined, hostHeader: string | undefined): boolean {
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === hostHeader?.toLowerCase();
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}
