import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { ServerSettings } from '../config/server-settings';
import { DomainError } from '../http/domain-error';

/** Who may read the metrics: whoever knows METRICS_TOKEN, or calls from METRICS_ADDRESSES. Nobody by default. */
@Injectable()
export class MetricsAccess {
  private readonly addresses: BlockList;

  constructor(private readonly settings: ServerSettings) {
    this.addresses = blockListOf(settings.metricsAddresses);
  }

  /** Throws `unauthenticated`. */
  assertMayRead(request: Request): void {
    if (this.hasToken(request) || this.isFromAddress(request)) return;
    throw new DomainError(
      'unauthenticated',
      'The metrics are for who sends METRICS_TOKEN as a bearer token, or calls from METRICS_ADDRESSES.',
    );
  }

  private hasToken(request: Request): boolean {
    const { metricsToken } = this.settings;
    const [, sent] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    return metricsToken !== null && sent !== undefined && timingSafeEqual(digest(sent), digest(metricsToken));
  }

  private isFromAddress(request: Request): boolean {
    // A proxy that nobody told us of: the address is its own, whoever asks.
    const isThroughProxy = request.headers['x-forwarded-for'] !== undefined || request.headers.forwarded !== undefined;
    if (isThroughProxy && this.settings.trustProxy === null) return false;
    const address = (request.ip ?? '').replace(/^::ffff:(?=\d+\.)/, '');
    const version = isIP(address);
    return version !== 0 && this.addresses.check(address, version === 4 ? 'ipv4' : 'ipv6');
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    list.addSubnet(address, bits === undefined ? (family === 'ipv4' ? 32 : 128) : Number(bits), family);
  }
  return list;
}
