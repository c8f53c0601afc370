import { BlockList, type Socket } from 'node:net';
import { networkOf } from './network';

const THIS_HOST = new BlockList();
THIS_HOST.addSubnet('127.0.0.0', 8);
THIS_HOST.addAddress('::1', 'ipv6');

/** How many connections stand from each address (of IPv6: network of 64 bits), this host's aside: a proxy on it speaks for everybody. */
export class AddressCounts {
  private readonly counts = new Map<string, number>();

  /** `maxPerAddress` null: no bound. */
  constructor(private readonly maxPerAddress: number | null) {}

  /** Counts a connection until it closes; false when its address has too many already. */
  admit(socket: Socket): boolean {
    const { remoteAddress: address, remoteFamily: family } = socket;
    if (this.maxPerAddress === null || address === undefined) return true;
    if (THIS_HOST.check(address, family === 'IPv6' ? 'ipv6' : 'ipv4')) return true;
    const network = networkOf(address);
    const count = this.counts.get(network) ?? 0;
    if (count >= this.maxPerAddress) return false;
    this.counts.set(network, count + 1);
    socket.once('close', () => {
      this.leave(network);
    });
    return true;
  }

  private leave(network: string): void {
    const left = (this.counts.get(network) ?? 1) - 1;
    if (left === 0) this.counts.delete(network);
    else this.counts.set(network, left);
  }
}
