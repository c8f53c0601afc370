import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import { type Writable } from 'node:stream';
import { type Failure } from './failure';
import { printableMessage } from './printable';

const UNSAFE_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Where a command's answer goes: text for people, or exactly one JSON document on stdout. */
export class Output {
  /** Of the document: after its first byte no other one may follow. */
  private hasBegun = false;

  constructor(
    private readonly stdout: Writable,
    private readonly stderr: Writable,
    readonly isJson: boolean,
  ) {}

  /** The whole answer of a command: `document` with --json, else the lines of `text`, which are printable already. */
  async answer(document: object, text: readonly string[]): Promise<void> {
    if (!this.isJson) {
      if (text.length > 0) await this.write(`${text.join('\n')}\n`);
      return;
    }
    this.hasBegun = true;
    await this.write(`${toJson(document)}\n`);
  }

  /** For answers of any length: pieces of one text, or of one JSON document, as the command was asked. */
  async pieces(source: Iterable<Buffer>): Promise<void> {
    for (const piece of source) {
      this.hasBegun = true;
      await this.write(piece);
    }
  }

  /** Something to know beside the answer; for people only, the document holds it too. */
  notice(text: string): void {
    if (!this.isJson) this.stderr.write(`${printableMessage(text)}\n`);
  }

  /** In the document's place when none has begun, else on stderr: it is never lost. */
  async failure({ code, message, pathCount }: Failure): Promise<void> {
    if (this.isJson && !this.hasBegun) return this.answer({ error: { code, message, pathCount } }, []);
    this.stderr.write(`holdfast: ${printableMessage(message)}\n`);
  }

  private async write(bytes: string | Buffer): Promise<void> {
    if (!this.stdout.write(bytes)) await once(this.stdout, 'drain');
  }
}

export function toJson(value: object): string {
  return JSON.stringify(value).replace(
    UNSAFE_IN_JSON,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A path in a document: text that may have lost bytes, and the bytes themselves when it has. */
export function jsonPath(path: Buffer): { path: string; pathBase64?: string } {
  const text = path.toString('utf8');
  return isUtf8(path) ? { path: text } : { path: text, pathBase64: path.toString('base64') };
}
