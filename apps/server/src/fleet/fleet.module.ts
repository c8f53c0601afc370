import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module';
import { BackupsModule } from '../backups/backups.module';
import { ClientsModule } from '../clients/clients.module';
import { GuardsModule } from '../guards/guards.module';
import { LogsModule } from '../logs/logs.module';
import { AgentApiController } from './agent.api.controller';
import { AgentCommands } from './agent-commands.service';
import { ClientConfigService, ConfigRules } from './client-config.service';
import { ClientHistory, ClientPage } from './client-page';
import { ClientPagesController } from './client.pages.controller';
import { TaskPage } from './task-page';
import { TaskPagesController } from './task.pages.controller';
import { NewClientPagesController } from './new-client.pages.controller';
import { RunPagesController } from './run.pages.controller';
import { ClientsPagesController } from './clients.pages.controller';
import { CommandPolls } from './command-polls';
import { EventsPagesController } from './events.pages.controller';
import { FleetApiController } from './fleet.api.controller';
import { FleetRepository } from './fleet.repository';
import { FleetService } from './fleet.service';
import { LiveEvents } from './live-events';

/** All clients together, and what agents ask for all day: above clients and backups. */
@Module({
  imports: [AuthModule, ClientsModule, BackupsModule, GuardsModule, LogsModule],
  controllers: [
    AgentApiController,
    NewClientPagesController,
    ClientPagesController,
    ClientsPagesController,
    RunPagesController,
    TaskPagesController,
    EventsPagesController,
    FleetApiController,
  ],
  providers: [
    AgentCommands,
    ClientConfigService,
    CommandPolls,
    ConfigRules,
    ClientHistory,
    ClientPage,
    FleetRepository,
    FleetService,
    LiveEvents,
    TaskPage,
  ],
  exports: [FleetService],
})
export class FleetModule {}
