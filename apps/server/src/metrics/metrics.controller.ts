import { Controller, Get, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { API } from '#common';
import { Public } from '../auth/access';
import { CatalogMetrics } from './catalog-metrics';
import { Metrics } from './metrics';
import { MetricsAccess } from './metrics-access';

@Controller()
export class MetricsController {
  constructor(
    private readonly access: MetricsAccess,
    private readonly metrics: Metrics,
    private readonly catalog: CatalogMetrics,
  ) {}

  /** Text for Prometheus. Guarded by what its scraper can send, not by our tokens: see {@link MetricsAccess}. */
  @Public()
  @Get(API.metrics)
  async show(@Req() request: Request, @Res() response: Response): Promise<void> {
    this.access.assertMayRead(request);
    await this.catalog.refresh();
    response.setHeader('content-type', this.metrics.registry.contentType);
    response.end(`${await this.metrics.registry.metrics()}\n${this.catalog.clientLines}`);
  }
}
