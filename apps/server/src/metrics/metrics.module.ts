import { type MiddlewareConsumer, Module, type NestModule } from '@nestjs/common';
import { BackupsModule } from '../backups/backups.module';
import { FleetModule } from '../fleet/fleet.module';
import { HealthModule } from '../health/health.module';
import { CatalogMetrics } from './catalog-metrics';
import { CatalogFigures } from './figures';
import { FiguresRepository } from './figures.repository';
import { HttpMetrics } from './http-metrics.middleware';
import { MetricsAccess } from './metrics-access';
import { MetricsController } from './metrics.controller';

/** What Prometheus asks for. `Metrics` itself is the storage's, which everything uses. */
@Module({
  imports: [BackupsModule, FleetModule, HealthModule],
  controllers: [MetricsController],
  providers: [CatalogFigures, CatalogMetrics, FiguresRepository, MetricsAccess],
})
export class MetricsModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(HttpMetrics).forRoutes('{*path}');
  }
}
