import { Inject, Injectable } from '@nestjs/common';
import {
  type ChunkKey,
  type ContentRef,
  CorruptError,
  decodeBlockAsync,
  decodeList,
  keyString,
  UnsupportedError,
} from '#engine';
import { Database } from '../../database/database';
import { slices, type Sql } from '../../database/sql';
import { DomainError } from '../../http/domain-error';
import { type Storage, STORAGE } from '../../storage/storage';
import type { ChunkPlace, NewChunk } from '../chunk-rows';
import { ChunksRepository } from '../chunks.repository';
import { PacksRepository } from '../packs.repository';
import { countStored } from '../quota.repository';
import { FoundChunksRepository, NOWHERE } from './found-chunks.repository';

interface NewList {
  readonly key: ChunkKey;
  readonly children: readonly ContentRef[];
}

type Place = ChunkPlace & { storedLength?: number };

/** What a domain does not have yet, and where it lies; `others`: where it lies, too. */
interface Lacking {
  readonly ref: ContentRef;
  readonly place: Place;
  readonly others: readonly Place[];
}

/** Lists among the chunks with what they name, which is there. */
interface Wanted {
  readonly chunks: ReadonlyMap<string, NewChunk>;
  readonly lists: readonly NewList[];
}

/** Of which lists are taken at a time. */
const CHUNKS_AT_ONCE = 10_000;
const LISTS_PER_PAGE = 500;

/** What a content adoption reads and writes. */
@Injectable()
export class ContentRepositories {
  constructor(
    readonly found: FoundChunksRepository,
    readonly chunks: ChunksRepository,
    readonly packs: PacksRepository,
  ) {}
}

/**
 * Gives a domain the chunks that a run of it committed: their rows were lost, their bytes lie in packs that were found, or in those
 * of another domain. A manifest that is in storage is proof that the domain owned all that it names.
 */
@Injectable()
export class ContentAdoption {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly repositories: ContentRepositories,
  ) {}

  /**
   * What lies nowhere gets a row that is damaged and has no place: the domain owns it, and the next upload heals it. Idempotent: a list
   * comes after all that it names, so one that is there is not looked into. Takes memory for some ten thousand chunks, and
   * transactions of as many, however long the lists are.
   */
  async ensure(domainNo: number, contents: readonly ContentRef[]): Promise<void> {
    for await (const refs of slices(unique(contents))) {
      const { placed, lost } = await this.lookFor(domainNo, refs);
      const lostLists = await this.ensureLists(
        domainNo,
        placed.filter(({ ref }) => ref.height > 0),
      );
      const leaves = placed.filter(({ ref }) => ref.height === 0);
      if (leaves.length > 0) await this.save(domainNo, leaves, []);
      await this.saveLost(domainNo, [...lost, ...lostLists]);
    }
  }

  /** Lists that are damaged, mostly as they were taken over as lost, and that lie in packs which were found since: with all that they name. */
  async healLists(): Promise<void> {
    for (let afterNo = 0; ;) {
      const lists = await this.database.read((sql) => this.repositories.found.lostLists(sql, afterNo, LISTS_PER_PAGE));
      for (const { domainNo, ...list } of lists) await this.ensure(domainNo, [list]);
      const last = lists.at(-1);
      if (last === undefined) return;
      afterNo = last.no;
    }
  }

  /** Several at a time, as long as they name few chunks: each their chunks first. Returns those that cannot be read. */
  private async ensureLists(domainNo: number, lists: readonly Lacking[]): Promise<ContentRef[]> {
    const unreadable: ContentRef[] = [];
    let open: { lists: Lacking[]; named: NewList[]; below: ContentRef[] } = { lists: [], named: [], below: [] };
    const flush = async (): Promise<void> => {
      const { lists: some, named, below } = open;
      open = { lists: [], named: [], below: [] };
      if (some.length === 0) return;
      await this.ensure(domainNo, below);
      await this.save(domainNo, some, named);
    };
    for (const list of lists) {
      const read = await this.readAnywhere(list);
      if (read === null) {
        unreadable.push(list.ref);
        continue;
      }
      open.lists.push({ ...list, place: read.place });
      open.named.push({ key: list.ref, children: read.children });
      open.below.push(...read.children);
      if (open.below.length >= CHUNKS_AT_ONCE) await flush();
    }
    await flush();
    return unreadable;
  }

  private async save(domainNo: number, lacking: readonly Lacking[], lists: readonly NewList[]): Promise<void> {
    const chunks = new Map(
      lacking.map(({ ref, place }) => [
        keyString(ref),
        { ...place, id: ref.id, height: ref.height, size: ref.size } satisfies NewChunk,
      ]),
    );
    await this.database.write('catalog.adopt', (tx) => this.write(tx, domainNo, { chunks, lists }));
  }

  /** Without a place, a list also without what it names: only its bytes tell that. */
  private async saveLost(domainNo: number, refs: readonly ContentRef[]): Promise<void> {
    if (refs.length === 0) return;
    const { chunks, found } = this.repositories;
    const rows = refs.map((ref) => ({ ...ref, ...NOWHERE, chunkLength: ref.height === 0 ? ref.size : 0 }));
    await this.database.write('catalog.adopt', async (tx) => {
      const inserted = await chunks.insertChunks(tx, domainNo, rows);
      const added = rows.filter((row) => inserted.get(keyString(row))?.isNew === true);
      await found.markLost(
        tx,
        added.flatMap((row) => inserted.get(keyString(row))?.no ?? []),
      );
      await countStored(
        tx,
        domainNo,
        added.reduce((sum, { chunkLength }) => sum + chunkLength, 0),
      );
    });
  }

  /** Of what the domain lacks, or has damaged: where it lies; `lost`: what it has no row of, and that lies nowhere. */
  private lookFor(
    domainNo: number,
    refs: readonly ContentRef[],
  ): Promise<{ placed: readonly Lacking[]; lost: readonly ContentRef[] }> {
    return this.database.read(async (sql) => {
      const { chunks, found } = this.repositories;
      const owned = await chunks.findChunks(sql, domainNo, refs);
      const lacking = refs.filter((ref) => owned.get(keyString(ref))?.isDamaged !== false);
      const inFound = await found.places(sql, lacking);
      const elsewhere = await chunks.findElsewhere(sql, lacking);
      const placed: Lacking[] = [];
      const lost: ContentRef[] = [];
      for (const ref of lacking) {
        const name = keyString(ref);
        const foreign = elsewhere.get(name);
        const [place, ...others] = [...(inFound.get(name) ?? []), ...(foreign === undefined ? [] : [foreign])];
        if (place !== undefined) placed.push({ ref, place: placeOf(place), others: others.map(placeOf) });
        else if (!owned.has(name)) lost.push(ref);
      }
      return { placed, lost };
    });
  }

  /** What the list names, and the first place at which it is whole; null: there is none. */
  private async readAnywhere({
    ref,
    place: first,
    others,
  }: Lacking): Promise<{ place: Place; children: ContentRef[] } | null> {
    for (const place of [first, ...others]) {
      const children = await this.readList(ref, place);
      if (children !== null) return { place, children };
    }
    return null;
  }

  /** What the list names; null when it is not there, or not whole, twice. */
  private async readList(ref: ContentRef, place: ChunkPlace): Promise<ContentRef[] | null> {
    for (let look = 1; ; look += 1) {
      try {
        return await this.listAt(ref, place);
      } catch (error) {
        const isGone = error instanceof DomainError && (error.code === 'object-missing' || error.code === 'corrupt');
        if (!isGone && !(error instanceof CorruptError) && !(error instanceof UnsupportedError)) throw error;
        if (look === 2) return null;
      }
    }
  }

  private async listAt(ref: ContentRef, { packNo, blockOffset, blockLength }: ChunkPlace): Promise<ContentRef[]> {
    const pack = await this.database.read(async (sql) =>
      (await this.repositories.packs.findPacks(sql, [packNo])).get(packNo),
    );
    if (pack === undefined) throw new Error(`pack ${packNo} has gone`);
    const place = `${pack.key}, block at byte ${blockOffset}`;
    const bytes = await this.storage.get(pack.key, { offset: blockOffset, length: blockLength });
    const { chunks } = await decodeBlockAsync(bytes, place);
    const list = chunks.find(({ id, height }) => height === ref.height && id.equals(ref.id));
    if (list === undefined) throw new CorruptError(place, 'a list is not where it was found');
    const children = decodeList(Buffer.from(list.bytes), ref.height, place);
    const size = children.reduce((sum, child) => sum + child.size, 0);
    if (size !== ref.size) throw new CorruptError(place, `a list covers ${size} bytes, not ${ref.size}`);
    return children;
  }

  private async write(tx: Sql, domainNo: number, { chunks: wanted, lists }: Wanted): Promise<void> {
    const { chunks, found } = this.repositories;
    const rows = [...wanted.values()];
    await found.goLive(
      tx,
      rows.map(({ packNo }) => packNo),
    );
    const inserted = await chunks.insertChunks(tx, domainNo, rows);
    const damaged = [...wanted].flatMap(([name, row]) => {
      const there = inserted.get(name);
      return there?.isDamaged === true ? [{ ...row, no: there.no }] : [];
    });
    if (damaged.length > 0) await chunks.repointChunks(tx, damaged);
    for (const { key, children } of lists) {
      const numbers = await chunks.findChunks(tx, domainNo, children);
      const listNo = inserted.get(keyString(key))?.no;
      const refs = children.flatMap((child) => {
        const childNo = numbers.get(keyString(child))?.no;
        return listNo === undefined || childNo === undefined ? [] : [{ listNo, childNo }];
      });
      if (refs.length !== children.length) throw new Error('a list names a chunk that was not taken over');
      await chunks.insertListRefs(tx, refs);
    }
    const added = [...wanted].filter(([name]) => inserted.get(name)?.isNew === true);
    const bytes = added.reduce((sum, [, { chunkLength, storedLength = chunkLength }]) => sum + storedLength, 0);
    await countStored(tx, domainNo, bytes);
  }
}

function placeOf(place: Place): Place {
  const { packNo, blockOffset, blockLength, chunkOffset, chunkLength, storedLength } = place;
  const own = { packNo, blockOffset, blockLength, chunkOffset, chunkLength };
  return storedLength === undefined ? own : { ...own, storedLength };
}

function unique(refs: readonly ContentRef[]): ContentRef[] {
  return [...new Map(refs.map((ref) => [keyString(ref), ref])).values()];
}
