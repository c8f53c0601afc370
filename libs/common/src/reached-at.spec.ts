import { reachedAt } from './reached-at';

describe('where a server is reached', () => {
  it.each([
    ['127.0.0.1', 'http://127.0.0.1:8080'],
    ['::1', 'http://[::1]:8080'],
    ['192.0.2.7', 'http://192.0.2.7:8080'],
    ['0.0.0.0', 'http://127.0.0.1:8080 and port 8080 of all IPv4 addresses'],
    ['::', 'http://localhost:8080 and port 8080 of all addresses'],
  ])('bound to %s is %s', (address, told) => {
    expect(reachedAt('http', { address, port: 8080 })).toBe(told);
  });

  it('names the scheme', () => {
    expect(reachedAt('https', { address: '::', port: 1 })).toBe('https://localhost:1 and port 1 of all addresses');
  });
});
