import { Global, Module, type DynamicModule } from '@nestjs/common';
import { killPointsFrom } from '#common';
import type { ServerLog } from '../journal/server-log';
import type { ServedCertificate } from '../tls/served-certificate';
import { Clock, SystemClock } from './clock';
import { KILL_POINTS } from './kill-points.token';
import { ServerSettings } from './server-settings';
import { StdoutTerminal, Terminal } from './terminal';
import { SystemUptime, Uptime } from './uptime';

export interface ConfigParts {
  readonly settings: ServerSettings;
  /** Tests set the time. */
  readonly clock?: Clock;
  /** Tests let it pass. */
  readonly uptime?: Uptime;
  /** Tests do without. */
  readonly log?: ServerLog;
  /** What an https server shows; without it, read from the files that the settings name. */
  readonly certificate?: ServedCertificate;
  /** Tests read what was printed. */
  readonly terminal?: Terminal;
}

/** Settings, clock, kill points and terminal for every module. */
@Global()
@Module({})
export class ConfigModule {
  static with({ settings, clock, uptime, terminal }: ConfigParts): DynamicModule {
    return {
      module: ConfigModule,
      providers: [
        { provide: ServerSettings, useValue: settings },
        { provide: Clock, useValue: clock ?? new SystemClock(settings.clockAheadMs) },
        { provide: Uptime, useValue: uptime ?? new SystemUptime(settings.clockAheadMs) },
        { provide: Terminal, useValue: terminal ?? new StdoutTerminal() },
        { provide: KILL_POINTS, useValue: killPointsFrom(settings.killAt) },
      ],
      exports: [ServerSettings, Clock, Uptime, Terminal, KILL_POINTS],
    };
  }
}
