import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { SERVER_SECRETS, type ServerSetting } from '#common';

/** Where a value comes from: the variable itself, or the file that NAME_FILE names. */
export type SettingOrigin = 'environment' | 'file';

/** What the server reads: its settings, and two of its tests. */
export type SettingName = ServerSetting | 'HOLDFAST_KILL_AT' | 'HOLDFAST_CLOCK_AHEAD_SECONDS';

/**
 * The texts of settings: a variable, or for secrets the file that NAME_FILE names (without the line end that editors add). An
 * empty variable counts as not set. What is wrong with a file is reported once, by name and never by value.
 */
export class SettingSource {
  /** Of the settings that were asked for and are set. */
  readonly origins = new Map<string, SettingOrigin>();
  private readonly secrets = new Map<string, string | null>();

  constructor(
    private readonly env: Readonly<Record<string, string | undefined>>,
    private readonly report: (problem: string) => void,
  ) {}

  value(name: SettingName): string | null {
    if (!(SERVER_SECRETS as readonly string[]).includes(name)) {
      const text = this.text(name);
      return text === null ? null : this.from(name, 'environment', text);
    }
    const known = this.secrets.get(name);
    if (known !== undefined) return known;
    const secret = this.secret(name);
    this.secrets.set(name, secret);
    return secret;
  }

  private text(name: string): string | null {
    const text = this.env[name];
    return text === undefined || text === '' ? null : text;
  }

  private secret(name: string): string | null {
    const direct = this.text(name);
    const path = this.text(`${name}_FILE`);
    if (path === null) return direct === null ? null : this.from(name, 'environment', direct);
    if (direct !== null) return this.refuse(`${name} and ${name}_FILE: both are set; leave one out`);
    if (!isAbsolute(path)) return this.refuse(`${name}_FILE: must be an absolute path`);
    try {
      const content = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
      return content === '' ? this.refuse(`${name}_FILE: names an empty file`) : this.from(name, 'file', content);
    } catch {
      return this.refuse(`${name}_FILE: names a file that cannot be read`);
    }
  }

  private from(name: string, origin: SettingOrigin, value: string): string {
    this.origins.set(name, origin);
    return value;
  }

  private refuse(problem: string): null {
    this.report(problem);
    return null;
  }
}
