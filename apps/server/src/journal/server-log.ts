import type { LoggerService } from '@nestjs/common';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { ServerLogLevel } from '#common';
import { currentRequestId } from '../http/request-context';
import { isForOperator } from './for-operator';

/** What Nest says about its own modules and routes: of use to developers only. */
const NEST_CONTEXTS = ['InstanceLoader', 'NestApplication', 'NestFactory', 'RouterExplorer', 'RoutesResolver'];

export interface ServerLogOptions {
  readonly level: ServerLogLevel;
  readonly destination: DestinationStream;
  /** Makes a text fit for the log; see `withoutSecrets`. */
  readonly clean: (text: string) => string;
}

/** More than the words: fields of the line, and the words as `msg`. */
interface LogEntry {
  readonly msg: string;
  readonly [field: string]: unknown;
}

/**
 * The server's own log: one JSON object a line, with `time` (ISO), `level`, `context`, `msg`, and `requestId` where a request is
 * what it is about. Everything that uses Nest's Logger comes through here. Texts are cleaned of secrets.
 */
export class ServerLog implements LoggerService {
  private readonly logger: Logger;
  private readonly clean: (text: string) => string;

  constructor({ level, destination, clean }: ServerLogOptions) {
    this.clean = clean;
    this.logger = pino(
      {
        level,
        base: { pid: process.pid },
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      destination,
    );
  }

  get level(): ServerLogLevel {
    return this.logger.level as ServerLogLevel;
  }

  set level(level: ServerLogLevel) {
    this.logger.level = level;
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.write(NEST_CONTEXTS.includes(String(rest.at(-1))) ? 'debug' : 'info', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }

  /** Nest hands over `(message, [stack,] context)`. */
  private write(level: ServerLogLevel, message: unknown, rest: readonly unknown[]): void {
    if (!this.logger.isLevelEnabled(level)) return;
    // Of a start that failed. Whoever started prints the same in plain words, without a stack.
    if (rest.at(-1) === 'ExceptionHandler' && isForOperator(message)) return;
    const words = rest.filter((item) => typeof item === 'string');
    const requestId = currentRequestId();
    const fields = {
      ...(words.length === 0 ? {} : { context: words.at(-1) }),
      ...(requestId === undefined ? {} : { requestId }),
      ...(words.length > 1 ? { stack: this.clean(words[0] ?? '') } : {}),
    };
    const { msg, ...more } = entryOf(message);
    this.logger[level]({ ...fields, ...this.cleaned(more) }, this.clean(msg));
  }

  private cleaned(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? this.clean(value) : value]),
    );
  }
}

function entryOf(message: unknown): LogEntry {
  if (message instanceof Error) return { msg: message.message, stack: message.stack };
  if (typeof message === 'object' && message !== null && 'msg' in message) return message as LogEntry;
  return { msg: typeof message === 'string' ? message : JSON.stringify(message) };
}
