import { LIMITS, type LogLevel } from '#common';
import { errorCode, isSystemError } from '../system/error-code';
import type { LogSpool } from './log-spool';

/** Where a line is shown on this machine. */
export type PrintLine = (line: string) => void;

/**
 * What the service says: one line on its own output at once, and the same to the server (through the spool). Messages
 * hold no secret: whoever logs an error logs its message, never a request.
 */
export class AgentLog {
  private toldCause: string | null = null;

  constructor(
    private readonly spool: LogSpool,
    private readonly print: PrintLine,
    private readonly now: () => number = () => Date.now(),
    private readonly printError: PrintLine = (line) => void process.stderr.write(line),
  ) {}

  info(message: string, runId?: string): void {
    this.write('info', message, runId);
  }

  warn(message: string, runId?: string): void {
    this.write('warn', message, runId);
  }

  error(message: string, runId?: string): void {
    this.write('error', message, runId);
  }

  /** On this machine only: what the server must not hold, such as the setup code. */
  local(message: string): void {
    this.print(`${new Date(this.now()).toISOString()} info ${message}\n`);
  }

  private write(level: LogLevel, message: string, runId: string | undefined): void {
    const timeMs = this.now();
    // Databases keep no NUL: a line with one would be refused, and all those after it with it.
    const text = message.slice(0, LIMITS.logLineCharacters).toWellFormed().replaceAll('\0', '\ufffd') || '(nothing)';
    this.print(`${new Date(timeMs).toISOString()} ${level} ${text.replace(/\s*\n\s*/g, ' | ')}\n`);
    this.keep({ timeMs, level, message: text, ...(runId === undefined ? {} : { runId }) });
  }

  /** A full disk ends no agent: the line was shown here, and that the server misses it is said once. */
  private keep(line: Parameters<LogSpool['append']>[0]): void {
    try {
      this.spool.append(line);
      this.toldCause = null;
    } catch (error) {
      if (!isSystemError(error)) throw error;
      const cause = errorCode(error);
      if (cause !== this.toldCause) this.printError(`log lines cannot be kept for the server (${cause})\n`);
      this.toldCause = cause;
    }
  }
}
