import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Every bad setting at once, by name and reason; never by value, which may be a secret. */
export class SettingsError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`bad settings: ${problems.join('; ')}`);
    this.name = 'SettingsError';
  }
}

/**
 * Reads an environment and collects what is wrong with it, so that all of it can be told at once. An empty variable
 * counts as unset, as compose files write it; a bad one reads as unset, and `assertNoProblems` throws.
 */
export class SettingReader {
  readonly problems: string[] = [];

  constructor(
    readonly env: Environment,
    private readonly readSecretFile: (path: string) => string = (path) => readFileSync(path, 'utf8'),
  ) {}

  text(name: string): string | null {
    const value = this.env[name];
    return value === undefined || value === '' ? null : value;
  }

  /** NAME, or the content of the file that NAME_FILE names (without the line end that editors add). */
  secret(name: string): string | null {
    const direct = this.text(name);
    const path = this.text(`${name}_FILE`);
    if (path === null) return direct;
    if (direct !== null) return this.refuse(`${name} and ${name}_FILE are both set: leave one out`);
    if (!isAbsolute(path)) return this.refuse(`${name}_FILE must be an absolute path`);
    try {
      const content = this.readSecretFile(path).replace(/\r?\n$/, '');
      return content === '' ? this.refuse(`${name}_FILE names an empty file`) : content;
    } catch {
      return this.refuse(`${name}_FILE names a file that cannot be read`);
    }
  }

  /** A whole number in a range. */
  integer<T>(name: string, range: { min: number; max: number; otherwise: T }): number | T {
    const text = this.text(name);
    if (text === null) return range.otherwise;
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= range.min && value <= range.max) return value;
    this.refuse(`${name} must be a whole number from ${range.min} to ${range.max}`);
    return range.otherwise;
  }

  flag(name: string, otherwise: boolean): boolean {
    const text = this.text(name)?.toLowerCase() ?? null;
    if (text === null) return otherwise;
    if (['true', '1', 'yes', 'on'].includes(text)) return true;
    if (!['false', '0', 'no', 'off'].includes(text)) this.refuse(`${name} must be true or false`);
    return false;
  }

  /** Items between separators, blanks around them left out; empty when unset. */
  list(name: string, separator: string): string[] {
    const items = (this.text(name) ?? '').split(separator).map((item) => item.trim());
    return items.filter((item) => item !== '');
  }

  /** Absolute paths between commas. */
  paths(name: string): string[] {
    const paths = this.list(name, ',');
    const isUsable = paths.every((path) => isAbsolute(path) && !path.includes('\0'));
    if (!isUsable) this.refuse(`${name} must hold absolute paths, with commas between`);
    return isUsable ? paths : [];
  }

  path(name: string): string | null {
    const path = this.text(name);
    if (path === null || isAbsolute(path)) return path;
    return this.refuse(`${name} must be an absolute path`);
  }

  refuse(reason: string): null {
    this.problems.push(reason);
    return null;
  }

  /** Throws SettingsError when anything was refused. */
  assertNoProblems(): void {
    if (this.problems.length > 0) throw new SettingsError(this.problems);
  }
}
