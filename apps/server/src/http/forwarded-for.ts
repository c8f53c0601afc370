import { isIP } from 'node:net';
import type { NextFunction, Request, Response } from 'express';

const HEADER = 'x-forwarded-for';
/** Stands for what is no address, so that the count of proxies still holds. */
const UNKNOWN = '0.0.0.0';

/**
 * Looks at what proxies say of who calls, before anybody relies on it (`request.ip`). Believed: each item becomes an
 * address, whatever somebody wrote there. Not believed: said once, as all who come through that proxy count as one address.
 */
export function forwardedFor(isBelieved: boolean, warn: (message: string) => void) {
  let isSaid = false;
  return (request: Request, _response: Response, next: NextFunction): void => {
    const header = request.headers[HEADER];
    if (typeof header === 'string' && isBelieved) {
      request.headers[HEADER] = header.split(',').map(addressIn).join(', ');
    } else if (header !== undefined && !isSaid) {
      isSaid = true;
      warn(
        `A request from ${request.socket.remoteAddress ?? 'somewhere'} has X-Forwarded-For, and TRUST_PROXY is not set. If a proxy stands before this server, set it: until then all who come through the proxy count as one address, and whoever guesses passwords there holds everybody's sign-ins up. If none does, somebody made it up, and it counts for nothing.`,
      );
    }
    next();
  };
}

/** Some proxies add the port: `10.0.0.1:4711`, `[2001:db8::1]:4711`. */
function addressIn(item: string): string {
  const text = item.trim();
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  return isIP(bare) === 0 ? UNKNOWN : bare;
}
