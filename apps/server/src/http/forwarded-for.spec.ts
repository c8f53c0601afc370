import type { Request, Response } from 'express';
import { forwardedFor } from './forwarded-for';

/** The header that is left, and what was said. */
function pass(isBelieved: boolean, ...headers: (string | undefined)[]): { left: unknown[]; said: string[] } {
  const said: string[] = [];
  const handle = forwardedFor(isBelieved, (message) => said.push(message));
  const left = headers.map((header) => {
    const request = { headers: { 'x-forwarded-for': header }, socket: { remoteAddress: '10.0.0.9' } };
    const next = jest.fn();
    handle(request as unknown as Request, null as unknown as Response, next);
    expect(next).toHaveBeenCalledWith();
    return request.headers['x-forwarded-for'];
  });
  return { left, said };
}

describe('X-Forwarded-For', () => {
  it('becomes addresses where proxies are believed, one for each item', () => {
    const { left, said } = pass(
      true,
      '192.0.2.7',
      '192.0.2.7:4711, [2001:db8::1]:80 ,2001:db8::2',
      `${'x'.repeat(5_000)}, 192.0.2.8`,
      undefined,
    );
    expect(left).toEqual(['192.0.2.7', '192.0.2.7, 2001:db8::1, 2001:db8::2', '0.0.0.0, 192.0.2.8', undefined]);
    expect(said).toEqual([]);
  });

  it('is said, once, where no proxy is', () => {
    expect(pass(false, undefined, undefined).said).toEqual([]);
    const { said } = pass(false, undefined, '192.0.2.7', '192.0.2.8');
    expect(said).toEqual([expect.stringMatching(/10\.0\.0\.9.*TRUST_PROXY/)]);
  });
});
