/** A directory of a task by its number. */
export interface KnownDirectory {
  readonly no: number;
  /** Of the directory that it lies in. */
  readonly parentNo: number;
  /** Its row was made lately: its names have none yet, most likely. */
  readonly isNew: boolean;
}

/** Characters of paths in one generation. */
const GENERATION_CHARACTERS = 4 * 1024 * 1024;

/**
 * Directories that batches lately met, by task and `pathKey`: the next batch goes on in or near them, and need not come
 * down from the root name by name. Whether a row still stands, and is that directory's, is for the database to say: one that
 * a failover or a recovery set back gives numbers again. The older half is forgotten when it is full.
 */
export class KnownDirectories {
  private young = new Map<string, KnownDirectory>();
  private old: ReadonlyMap<string, KnownDirectory> = new Map<string, KnownDirectory>();
  private characters = 0;

  constructor(private readonly generationCharacters = GENERATION_CHARACTERS) {}

  /** Only what is committed: a number that was rolled back may be given to another path. */
  add(taskNo: number, pathKey: string, directory: KnownDirectory): void {
    const key = `${taskNo} ${pathKey}`;
    const known = this.young.get(key);
    if (known?.no === directory.no && known.parentNo === directory.parentNo) return;
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
