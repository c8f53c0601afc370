import { randomUUID } from 'node:crypto';
import { appendFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { LogLine } from '#common';
import { makeStateDirectory } from '../state/durable-write';
import type { Body } from '../server-api/server-api';

/** Lines in one file, and files that are kept: the bound of the spool (about 10 MB of lines of usual length). */
const FILE_LINES = 1_000;
const MAX_FILES = 50;

/** Lines one after the other, the first of them with its number: LogRequest. */
export interface SpooledLines {
  readonly spoolId: string;
  readonly firstSequence: number;
  readonly lines: readonly Body<LogLine>[];
}

/**
 * Log lines on disk until the server has them, so that it gets them also after it, or this process, was away. Files of
 * FILE_LINES lines, each named after the number of its first line; beyond MAX_FILES the oldest goes, and the gap in the
 * numbers tells the server how much was lost. Appended without a sync: a crash may cost the last lines, never order.
 */
export class LogSpool {
  private readonly directory: string;
  private readonly spoolId: string;
  /** Numbers of the first lines of the files, ascending. */
  private files: number[];
  private nextSequence: number;
  private linesInLast: number;

  constructor(stateDir: string) {
    const top = join(stateDir, 'log');
    makeStateDirectory(top);
    // One directory per spool: numbers go on in it, and begin anew only with another id.
    this.spoolId = spoolIn(top) ?? randomUUID();
    this.directory = join(top, this.spoolId);
    makeStateDirectory(this.directory);
    this.files = readdirSync(this.directory)
      .map(Number)
      .sort((a, b) => a - b);
    const last = this.files.at(-1);
    if (last !== undefined) this.closeCutLine(last);
    this.linesInLast = last === undefined ? 0 : this.readFile(last).length;
    this.nextSequence = last === undefined ? 1 : last + this.linesInLast;
  }

  append(line: Body<LogLine>): void {
    if (this.files.length === 0 || this.linesInLast >= FILE_LINES) this.startFile();
    appendFileSync(this.pathOf(this.files.at(-1) ?? 1), `${JSON.stringify(line)}\n`, { mode: 0o600 });
    this.linesInLast += 1;
    this.nextSequence += 1;
  }

  /** The oldest lines from `from` on, at most `limit` of them; null when there are none. */
  read(from: number, limit: number): SpooledLines | null {
    const first = this.files.findLast((file) => file <= from) ?? this.files[0];
    if (first === undefined || from >= this.nextSequence) return null;
    const firstSequence = Math.max(from, first);
    const lines = this.readFile(first).slice(firstSequence - first, firstSequence - first + limit);
    if (lines.length > 0) return { spoolId: this.spoolId, firstSequence, lines };
    // What a crash cut off: go on with the next file.
    const next = this.files.find((file) => file > firstSequence);
    return next === undefined ? null : this.read(next, limit);
  }

  /** The server has everything before `sequence`: whole files of it are removed. The last one stays, for the numbers. */
  acknowledge(sequence: number): void {
    for (let next = this.files[1]; next !== undefined && next <= sequence; next = this.files[1]) this.removeOldest();
  }

  private startFile(): void {
    this.files.push(this.nextSequence);
    this.linesInLast = 0;
    while (this.files.length > MAX_FILES) this.removeOldest();
  }

  private removeOldest(): void {
    const oldest = this.files.shift();
    if (oldest !== undefined) rmSync(this.pathOf(oldest), { force: true });
  }

  private closeCutLine(file: number): void {
    const text = readFileSync(this.pathOf(file), 'utf8');
    if (text !== '' && !text.endsWith('\n')) appendFileSync(this.pathOf(file), '\n');
  }

  private readFile(file: number): Body<LogLine>[] {
    const lines: Body<LogLine>[] = [];
    for (const text of readFileSync(this.pathOf(file), 'utf8').split('\n')) {
      try {
        if (text !== '') lines.push(JSON.parse(text) as Body<LogLine>);
      } catch {
        lines.push({ timeMs: 0, level: 'warn', message: 'a log line was cut off when the agent was stopped' });
      }
    }
    return lines;
  }

  private pathOf(file: number): string {
    return join(this.directory, String(file).padStart(16, '0'));
  }
}

function spoolIn(top: string): string | undefined {
  return readdirSync(top).find((name) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(name));
}
