import { isPrivateHost, parseServerAddress } from './server-address';

describe('the address of a server', () => {
  it.each([
    'localhost',
    '127.0.0.1',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.1.1',
    '100.64.0.1',
    '[::1]',
    '[fd00::1]',
    '[fe80::1]',
    'server',
    'nas.local',
    'backup.lan',
  ])('%s is private', (host) => {
    expect(isPrivateHost(host)).toBe(true);
    expect(parseServerAddress(`http://${host}:8000/`, { allowInsecureHttp: false })).toHaveProperty('url');
  });

  it.each([
    '8.8.8.8',
    '172.32.0.1',
    '192.169.0.1',
    '100.128.0.1',
    '[2001:db8::1]',
    '[::ffff:8.8.8.8]',
    'backup.example.org',
  ])('%s may be public: plain http needs leave', (host) => {
    expect(isPrivateHost(new URL(`http://${host}`).hostname)).toBe(false);
    expect(parseServerAddress(`http://${host}`, { allowInsecureHttp: false })).toHaveProperty('problem');
    expect(parseServerAddress(`http://${host}`, { allowInsecureHttp: true })).toHaveProperty('url');
    expect(parseServerAddress(`https://${host}`, { allowInsecureHttp: false })).toHaveProperty('url');
  });

  it('takes an IPv4 address in its IPv6 form for what it is', () => {
    expect(isPrivateHost(new URL('http://[::ffff:10.0.0.1]').hostname)).toBe(true);
  });

  it.each(['', 'backup', 'ftp://x', 'http://u:p@x', 'https://x?q', 'https://x#f'])('%j is none', (text) => {
    expect(parseServerAddress(text, { allowInsecureHttp: true })).toHaveProperty('problem');
  });

  it('has no slash at its end', () => {
    const address = parseServerAddress('https://x/holdfast//', { allowInsecureHttp: false });
    expect(address).toEqual({ url: 'https://x/holdfast' });
  });
});
