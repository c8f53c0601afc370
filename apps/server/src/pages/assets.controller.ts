import { Controller, Get, Param, Res } from '@nestjs/common';
import type { Response } from 'express';
import { Public } from '../auth/access';
import { DomainError } from '../http/domain-error';
import { pageParts } from './page-parts';

@Controller()
export class AssetsController {
  @Public()
  @Get('/assets/:version/:name')
  send(@Param('version') version: string, @Param('name') name: string, @Res() response: Response): void {
    const { assets } = pageParts();
    const asset = version === assets.version ? assets.find(name) : undefined;
    if (asset === undefined) throw new DomainError('not-found', 'There is no such file (any more).');
    response.setHeader('cache-control', 'public, max-age=31536000, immutable');
    response.setHeader('cross-origin-resource-policy', 'same-origin');
    response.type(asset.type).send(asset.bytes);
  }
}
