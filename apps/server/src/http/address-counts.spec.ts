import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { AddressCounts } from './address-counts';

function from(remoteAddress: string, remoteFamily = 'IPv4'): Socket {
  return Object.assign(new EventEmitter(), { remoteAddress, remoteFamily }) as unknown as Socket;
}

describe('connections by address', () => {
  it('are as many as one address may have, and again when one has closed', () => {
    const counts = new AddressCounts(2);
    const [first, second] = [from('192.0.2.1'), from('192.0.2.1')];
    expect([first, second].map((socket) => counts.admit(socket))).toEqual([true, true]);
    expect(counts.admit(from('192.0.2.1'))).toBe(false);
    expect(counts.admit(from('192.0.2.2'))).toBe(true);
    first.emit('close');
    expect(counts.admit(from('192.0.2.1'))).toBe(true);
    expect(counts.admit(from('192.0.2.1'))).toBe(false);
  });

  it('count a network of IPv6 as one address, and IPv4 in IPv6 as IPv4', () => {
    const counts = new AddressCounts(1);
    const admitted = ['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:db8:0:1::1', '::ffff:192.0.2.1', '::ffff:192.0.2.2'];
    expect(admitted.map((address) => counts.admit(from(address, 'IPv6')))).toEqual([true, false, true, true, true]);
    expect(counts.admit(from('192.0.2.1'))).toBe(false);
  });

  it.each([
    ['127.0.0.1', 'IPv4'],
    ['127.8.8.8', 'IPv4'],
    ['::1', 'IPv6'],
    ['::ffff:127.0.0.1', 'IPv6'],
  ])('are not counted from %s, which a proxy on this host has', (address, family) => {
    const counts = new AddressCounts(1);
    for (let i = 0; i < 3; i++) expect(counts.admit(from(address, family))).toBe(true);
  });

  it('have no bound when there is none', () => {
    const counts = new AddressCounts(null);
    for (let i = 0; i < 3; i++) expect(counts.admit(from('192.0.2.1'))).toBe(true);
  });
});
