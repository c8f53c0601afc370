import { isIP } from 'node:net';

/** Suffixes that no public name ends with (RFC 6761, RFC 6762, RFC 8375, and what routers hand out). */
const LOCAL_SUFFIXES = ['.localhost', '.local', '.internal', '.lan', '.home.arpa', '.home', '.test', '.intranet'];

/** A server's address as the agent keeps it, or why it cannot be used. */
export type ServerAddress = { readonly url: string } | { readonly problem: string };

/**
 * http or https, without user, query or fragment; no slash at the end. Plain http is for networks that strangers do not
 * read: it is refused to an address that is or may be public, unless the operator allows it.
 */
export function parseServerAddress(text: string, { allowInsecureHttp }: { allowInsecureHttp: boolean }): ServerAddress {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isUsable =
    url !== null &&
    ['http:', 'https:'].includes(url.protocol) &&
    [url.username, url.password, url.search, url.hash].every((part) => part === '');
  if (!isUsable) return { problem: 'must be a URL such as https://backup.example.org' };
  if (url.protocol === 'http:' && !allowInsecureHttp && !isPrivateHost(url.hostname)) {
    return {
      problem:
        'is plain http to a public address, where anybody on the way reads along: use https, or set ALLOW_INSECURE_HTTP=true',
    };
  }
  return { url: url.href.replace(/\/+$/, '') };
}

/** Loopback, private and link-local addresses, names of one label, and names that only a local network resolves. */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const version = isIP(host);
  if (version === 4) return isPrivateIPv4(host);
  if (version === 6) return isPrivateIPv6(host);
  return !host.includes('.') || LOCAL_SUFFIXES.some((suffix) => host.endsWith(suffix));
}

function isPrivateIPv4(host: string): boolean {
  const [a = 0, b = 0] = host.split('.').map(Number);
  if (a === 10 || a === 127) return true;
  if (a === 172) return b >= 16 && b <= 31;
  if (a === 192) return b === 168;
  if (a === 169) return b === 254;
  // Carrier-grade NAT (RFC 6598), which mesh VPNs use.
  return a === 100 && b >= 64 && b <= 127;
}

function isPrivateIPv6(host: string): boolean {
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host);
  if (mapped !== null) {
    const [high, low] = [mapped[1], mapped[2]].map((part) => Number.parseInt(part ?? '0', 16));
    return isPrivateIPv4([(high ?? 0) >> 8, (high ?? 0) & 255, (low ?? 0) >> 8, (low ?? 0) & 255].join('.'));
  }
  // ::1, fc00::/7 and fe80::/10.
  return host === '::1' || /^f[cd][0-9a-f]{2}:/.test(host) || /^fe[89ab][0-9a-f]:/.test(host);
}
