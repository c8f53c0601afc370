import { type DynamicModule, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { killPointsFrom } from '#common';
import { PageController } from '../config-page/page.controller';
import { AgentLog } from '../log/agent-log';
import { LogSpool } from '../log/log-spool';
import { ServiceState } from '../state/service-state';
import { AgentService } from './agent.service';
import { ServerClock } from './server-clock';
import { ServerLink } from './server-link';
import { Stopping } from './stopping';
import { ENVIRONMENT, type Environment, MACHINE, type Machine, type ServiceSettings, SETTINGS } from './tokens';

export interface AgentModuleOptions {
  readonly settings: ServiceSettings;
  readonly machine: Machine;
  readonly environment: Environment;
  /** Where log lines are shown. */
  readonly print: (line: string) => void;
}

@Module({})
export class AgentModule {
  static with({ settings, machine, environment, print }: AgentModuleOptions): DynamicModule {
    const spool = new LogSpool(settings.stateDir);
    return {
      module: AgentModule,
      imports: [ScheduleModule.forRoot()],
      controllers: settings.page.isEnabled ? [PageController] : [],
      providers: [
        { provide: SETTINGS, useValue: settings },
        { provide: MACHINE, useValue: machine },
        { provide: ENVIRONMENT, useValue: environment },
        { provide: ServiceState, useValue: new ServiceState(settings.stateDir, killPointsFrom(settings.killAt)) },
        { provide: LogSpool, useValue: spool },
        { provide: AgentLog, useValue: new AgentLog(spool, print) },
        ServerLink,
        ServerClock,
        Stopping,
        AgentService,
      ],
    };
  }
}
