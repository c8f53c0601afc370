/** All addresses, and how this machine calls itself there. Other machines' names for it are not known here: least of all in a container. */
const WILDCARDS: Readonly<Record<string, readonly [own: string, all: string]>> = {
  '::': ['localhost', 'all addresses'],
  '0.0.0.0': ['127.0.0.1', 'all IPv4 addresses'],
};

/** Where a server that listens is reached, for people: begins with a URL that holds on this machine, and hides no address. Pure. */
export function reachedAt(scheme: 'http' | 'https', { address, port }: { address: string; port: number }): string {
  const wildcard = WILDCARDS[address];
  if (wildcard === undefined) return `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`;
  const [own, all] = wildcard;
  return `${scheme}://${own}:${port} and port ${port} of ${all}`;
}
