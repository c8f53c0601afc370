/** Where the server talks to the person who started it. */
export abstract class Terminal {
  /** A person sees it: the only place where a generated password may be shown. */
  abstract readonly isInteractive: boolean;
  abstract print(line: string): void;
}

export class StdoutTerminal extends Terminal {
  get isInteractive(): boolean {
    return process.stdout.isTTY;
  }

  print(line: string): void {
    process.stdout.write(`${line}\n`);
  }
}
