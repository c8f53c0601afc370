/** Of a data chunk that stands in the catalog: facts that hold for as long as its row does, since no number is given twice. */
export interface KnownChunk {
  readonly no: number;
  readonly size: number;
}

/** Entries of one generation: some MB. A pack of the smallest files has 65,536 chunks. */
const GENERATION_ENTRIES = 65_536;

/**
 * Numbers of the chunks that this process wrote lately, by domain and `keyString`: the batch that refers to them follows
 * at once, and asking for rows by number is several times cheaper than by id. Whether a row still stands, undamaged and
 * not condemned, is for the database to say (`ChunksRepository.findNumbers`). The older half is forgotten when it is full.
 */
export class KnownChunks {
  private young = new Map<string, KnownChunk>();
  private old: ReadonlyMap<string, KnownChunk> = new Map<string, KnownChunk>();

  constructor(private readonly generationEntries = GENERATION_ENTRIES) {}

  /** Only what is committed: a number that was rolled back may be given to another chunk. */
  add(domainNo: number, name: string, chunk: KnownChunk): void {
    if (this.young.size >= this.generationEntries) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(`${domainNo} ${name}`, chunk);
  }

  find(domainNo: number, name: string): KnownChunk | undefined {
    const key = `${domainNo} ${name}`;
    return this.young.get(key) ?? this.old.get(key);
  }
}
