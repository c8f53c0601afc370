/** A directory of a task by its number, which never stands for another path. */
export interface KnownDirectory {
  readonly no: number;
  /** Its row was made lately: its names have none yet, most likely. */
  readonly isNew: boolean;
}

/** Characters of paths in one generation. */
const GENERATION_CHARACTERS = 4 * 1024 * 1024;

/**
 * Directories that batches lately met, by task and `pathKey`: the next batch goes on in or near them, and need not come
 * down from the root name by name. Whether a row still stands is for the database to say. The older half is forgotten
 * when it is full.
 */
export class KnownDirectories {
  private young = new Map<string, KnownDirectory>();
  private old: ReadonlyMap<string, KnownDirectory> = new Map<string, KnownDirectory>();
  private characters = 0;

  constructor(private readonly generationCharacters = GENERATION_CHARACTERS) {}

  /** Only what is committed: a number that was rolled back may be given to another path. */
  add(taskNo: number, pathKey: string, directory: KnownDirectory): void {
    const key = `${taskNo} ${pathKey}`;
    if (this.young.get(key)?.no === directory.no) return;
    if (this.characters + key.length > this.generationCharacters) {
      this.old = this.young;
      this.young = new Map();
      this.characters = 0;
    }
    this.young.set(key, directory);
    this.characters += key.length;
  }

  find(taskNo: number, pathKey: string): KnownDirectory | undefined {
    const key = `${taskNo} ${pathKey}`;
    return this.young.get(key) ?? this.old.get(key);
  }

  forget(taskNo: number, pathKey: string): void {
    const key = `${taskNo} ${pathKey}`;
    this.young.delete(key);
    if (!this.old.has(key)) return;
    const old = new Map(this.old);
    old.delete(key);
    this.old = old;
  }
}
