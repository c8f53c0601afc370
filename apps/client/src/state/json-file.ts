import { readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { KillPoints, StatePoint } from '#common';
import { errorCode } from '../system/error-code';
import { makeStateDirectory, syncDirectory, writeDurably } from './durable-write';

/** One JSON document of the agent's state, for the owner only (0600). It is written whole or not at all. */
export class JsonFile<T> {
  constructor(
    private readonly path: string,
    private readonly point: StatePoint,
    private readonly killPoints: KillPoints,
  ) {}

  /** Null when there is none. A file that is no JSON is an error: it was written whole, so somebody changed it. */
  load(): T | null {
    let text: string;
    try {
      text = readFileSync(this.path, 'utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      // Not the text itself: it may hold a secret.
      throw new Error(`${this.path} is damaged: remove it, and the agent makes it anew`, { cause: error });
    }
  }

  save(value: T): void {
    makeStateDirectory(dirname(this.path));
    writeDurably(this.path, JSON.stringify(value), this.point, this.killPoints);
  }

  /** May be called twice. */
  remove(): void {
    rmSync(this.path, { force: true });
    syncDirectory(dirname(this.path));
  }
}
