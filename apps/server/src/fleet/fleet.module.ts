import { Module } from '@nestjs/common';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { BackupsModule } from '../backups/backups.module';
import { ClientsModule } from '../clients/clients.module';
import { AgentApiController } from './agent.api.controller';
import { AgentCommands } from './agent-commands.service';
import { ClientConfigService, ConfigRules } from './client-config.service';
import { CommandPolls } from './command-polls';
import { FleetApiController } from './fleet.api.controller';
import { FleetService } from './fleet.service';

/** All clients together, and what agents ask for all day: above clients and backups. */
@Module({
  imports: [ClientsModule, BackupsModule],
  controllers: [AgentApiController, FleetApiController],
  providers: [AgentCommands, ClientConfigService, CommandPolls, ConfigRules, FleetService, FreshSignIn],
})
export class FleetModule {}
