import { Terminal } from '../config/terminal';

/** What a start has to say is no report: standard output is the report's alone. */
export class ErrorOutput extends Terminal {
  readonly isInteractive = false;

  print(line: string): void {
    process.stderr.write(`${line}\n`);
  }
}
