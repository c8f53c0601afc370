/** The fields of a form as they were filled in. */
export class FormFields {
  private readonly values = new Map<string, string[]>();

  constructor(pairs: readonly (readonly [string, string])[] = []) {
    for (const [name, value] of pairs) this.values.set(name, [...(this.values.get(name) ?? []), value]);
  }

  /** As it was typed; empty when the field is missing. */
  text(name: string): string {
    return this.values.get(name)?.[0] ?? '';
  }

  /** Undefined for a field that is missing or blank. */
  optional(name: string): string | undefined {
    const text = this.text(name).trim();
    return text === '' ? undefined : text;
  }

  all(name: string): string[] {
    return this.values.get(name) ?? [];
  }

  /** The lines of a multi-line field, those left out that are blank. */
  lines(name: string): string[] {
    return this.text(name)
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '');
  }

  /** A number; undefined when blank, NaN for what is none, which validation then names. */
  number(name: string): number | undefined {
    const text = this.optional(name);
    if (text === undefined) return undefined;
    return /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  }

  isChecked(name: string): boolean {
    return this.values.has(name);
  }

  /** For a form that is shown once more: the first value of each field, secrets left out. */
  shown(...secrets: string[]): Record<string, string> {
    const names = [...this.values.keys()].filter((name) => !secrets.includes(name));
    return Object.fromEntries(names.map((name) => [name, this.text(name)]));
  }
}
