import { Module } from '@nestjs/common';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { BackupsModule } from '../backups/backups.module';
import { ClientsModule } from '../clients/clients.module';
import { AgentApiController } from './agent.api.controller';
import { AgentCommands } from './agent-commands.service';
import { ClientConfigService, ConfigRules } from './client-config.service';
import { ClientsPagesController } from './clients.pages.controller';
import { CommandPolls } from './command-polls';
import { DashboardPagesController } from './dashboard.pages.controller';
import { EventsPagesController } from './events.pages.controller';
import { FleetApiController } from './fleet.api.controller';
import { FleetService } from './fleet.service';
import { LiveEvents } from './live-events';

/** All clients together, and what agents ask for all day: above clients and backups. */
@Module({
  imports: [ClientsModule, BackupsModule],
  controllers: [
    AgentApiController,
    ClientsPagesController,
    DashboardPagesController,
    EventsPagesController,
    FleetApiController,
  ],
  providers: [AgentCommands, ClientConfigService, CommandPolls, ConfigRules, FleetService, FreshSignIn, LiveEvents],
  exports: [FleetService],
})
export class FleetModule {}
