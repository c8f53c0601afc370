import { IsIn } from 'class-validator';

/** From the quietest. `debug` has a line for every request. */
export const SERVER_LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug'] as const;
export type ServerLogLevel = (typeof SERVER_LOG_LEVELS)[number];

/** `PUT /api/log_level` */
export class LogLevelRequest {
  @IsIn(SERVER_LOG_LEVELS) level!: ServerLogLevel;
}

export interface LogLevelAnswer {
  level: ServerLogLevel;
}
