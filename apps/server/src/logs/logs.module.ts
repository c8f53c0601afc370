import { Module } from '@nestjs/common';
import { ClientsModule } from '../clients/clients.module';
import { LeasesModule } from '../leases/leases.module';
import { LogsApiController } from './logs.api.controller';
import { LogsRepository } from './logs.repository';
import { LogsPagesController } from './logs.pages.controller';
import { LogsScheduler } from './logs.scheduler';
import { LogsService } from './logs.service';

@Module({
  imports: [ClientsModule, LeasesModule],
  controllers: [LogsApiController, LogsPagesController],
  providers: [LogsRepository, LogsScheduler, LogsService],
  exports: [LogsService],
})
export class LogsModule {}
