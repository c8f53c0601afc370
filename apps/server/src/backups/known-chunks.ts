/** Of a data chunk that stands in the catalog: facts that hold for as long as its row does. */
export interface KnownChunk {
  readonly no: number;
  readonly size: number;
}

/** By domain, then by `keyString`. */
type Generation = Map<number, Map<string, KnownChunk>>;

/** Entries of one generation: some MB. A pack of the smallest files has 65,536 chunks. */
const GENERATION_ENTRIES = 65_536;

/**
 * Numbers of the chunks that this process wrote lately, by domain and `keyString`: the batch that refers to them follows
 * at once, and asking for rows by number is several times cheaper than by id. Whether a row still stands, undamaged and
 * not condemned, and is that chunk's, is for the database to say (`ChunksRepository.findNumbers`): one that a failover or a
 * recovery set back gives numbers again. The older half is forgotten when it is full.
 */
export class KnownChunks {
  private young: Generation = new Map();
  private old: Generation = new Map();
  private youngEntries = 0;

  constructor(private readonly generationEntries = GENERATION_ENTRIES) {}

  /** Only what is committed: a number that was rolled back may be given to another chunk. */
  add(domainNo: number, name: string, chunk: KnownChunk): void {
    if (this.youngEntries >= this.generationEntries) {
      this.old = this.young;
      this.young = new Map();
      this.youngEntries = 0;
    }
    let domain = this.young.get(domainNo);
    if (domain === undefined) {
      domain = new Map();
      this.young.set(domainNo, domain);
    }
    domain.set(name, chunk);
    this.youngEntries += 1;
  }

  find(domainNo: number, name: string): KnownChunk | undefined {
    return this.young.get(domainNo)?.get(name) ?? this.old.get(domainNo)?.get(name);
  }
}
