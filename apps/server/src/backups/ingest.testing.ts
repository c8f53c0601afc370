import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  BlockBuilder,
  type ChunkKey,
  ContentBuilder,
  dataChunkId,
  decodeBlock,
  encodeBlock,
  EMPTY_CHAIN_DIGEST,
  keyString,
  type ListChunk,
  type PlainChunk,
  readBlocks,
} from '#engine';
import { ServerSettings } from '../config/server-settings';
import type { TestDatabase } from '../database/testing';
import { type DiskSpace, FreeSpace } from '../storage/free-space';
import { MemoryStorage } from '../storage/memory.storage';
import type { Storage } from '../storage/storage';
import { ChunkDamage } from './chunk-damage';
import { ChunkReaderService } from './chunk-reader.service';
import { ChunksRepository } from './chunks.repository';
import { IngestRows } from './ingest-rows';
import { IngestRepositories, IngestService } from './ingest.service';
import { BlockChecks } from './block-checks';
import { PackFiles } from './pack-files';
import { PacksRepository } from './packs.repository';
import { QuotaRepository } from './quota.repository';
import { UploadRoom } from './upload-room';
import type { RunGrant } from './run-grant';
import { RunUploadsRepository } from './run-uploads.repository';
import { RunLease } from './run-lease';
import { RunsRepository } from './runs.repository';

/** A disk that has as much left as a test says. */
export class TestDisk extends FreeSpace {
  freeBytes = 1e12;

  constructor() {
    super(new ServerSettings());
  }

  protected override look(): Promise<DiskSpace> {
    return Promise.resolve({ freeBytes: this.freeBytes, totalBytes: 1e12 });
  }
}

/** Ingest and reading on a test database and storage in memory. */
export class IngestBench {
  readonly chunks = new ChunksRepository();
  readonly packs = new PacksRepository();
  readonly runs = new RunsRepository();
  readonly disk = new TestDisk();
  readonly ingest: IngestService;
  readonly reader: ChunkReaderService;

  private constructor(
    readonly db: TestDatabase,
    readonly memory: MemoryStorage,
    storage: Storage,
  ) {
    const { database, clock } = db;
    const rows = new IngestRows(this.chunks, this.packs, new RunUploadsRepository());
    const lease = new RunLease(database, this.runs, new ServerSettings(), clock);
    const repositories = new IngestRepositories(this.chunks, this.packs, rows);
    const room = new UploadRoom(database, new QuotaRepository(), this.disk);
    this.ingest = new IngestService(database, new PackFiles(storage, new BlockChecks()), repositories, lease, room);
    const damage = new ChunkDamage(database, this.chunks, this.packs);
    this.reader = new ChunkReaderService(database, storage, this.chunks, this.packs, damage);
  }

  /** `wrap` puts something between the services and the storage. */
  static open(db: TestDatabase, wrap: (storage: MemoryStorage) => Storage = (storage) => storage): IngestBench {
    const memory = new MemoryStorage(mkdtempSync(join(tmpdir(), 'holdfast-ingest-')));
    return new IngestBench(db, memory, wrap(memory));
  }

  /** On a storage that others use too. */
  static on(db: TestDatabase, memory: MemoryStorage): IngestBench {
    return new IngestBench(db, memory, memory);
  }

  close(): void {
    rmSync(this.memory.spoolDir, { recursive: true, force: true });
  }

  /** The same database and stored objects behind another wrapper. */
  with(wrap: (storage: MemoryStorage) => Storage): IngestBench {
    return new IngestBench(this.db, this.memory, wrap(this.memory));
  }

  async newDomain(): Promise<number> {
    const row = await this.db.database.write('users.create', (tx) =>
      tx.get<{ no: number }>('insert into domains (created_at) values (0) returning no'),
    );
    if (row === undefined) throw new Error('no domain');
    return row.no;
  }

  /** A running run of a new task in the domain. */
  async newRun(domainNo: number): Promise<RunGrant> {
    const taskId = randomUUID();
    const runId = randomUUID();
    const tokenHash = randomBytes(32);
    const task = await this.db.database.write('tasks.create', (tx) =>
      tx.get<{ no: number }>('insert into tasks (id, client_no, name, created_at) values (?, 1, ?, 0) returning no', [
        taskId,
        taskId,
      ]),
    );
    if (task === undefined) throw new Error('no task');
    const now = this.db.clock.now();
    await this.db.database.write('runs.start', (tx) =>
      this.runs.insert(tx, {
        taskNo: task.no,
        number: 1,
        runId,
        tokenHash,
        chainDigest: EMPTY_CHAIN_DIGEST,
        parentRun: null,
        startedAt: now,
        leaseUntil: now + 1_000,
        platform: 'linux',
        chunkerId: 'fastcdc-v1',
        roots: Buffer.from('[]'),
        excludes: [],
      }),
    );
    return { taskNo: task.no, runNumber: 1, runId, taskId, clientNo: 1, domainNo, tokenHash };
  }

  send(run: RunGrant, blocks: readonly Buffer[]) {
    return this.ingest.receivePack(run, inPieces(Buffer.concat(blocks)));
  }

  packStates(): Promise<{ state: string }[]> {
    return this.db.database.read((sql) => sql.all<{ state: string }>('select state from packs order by no'));
  }

  async storedKeys(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.memory.list('packs/')) keys.push(key);
    return keys;
  }

  find(domainNo: number, keys: readonly ChunkKey[]) {
    return this.db.database.read((sql) => this.chunks.findChunks(sql, domainNo, keys));
  }

  /** What a reader gets: names of the chunks, all verified, and the raw bytes sent. */
  async read(domainNo: number, keys: readonly ChunkKey[]): Promise<{ chunks: Map<string, Buffer>; sent: Buffer }> {
    const parts: Buffer[] = [];
    for await (const block of this.reader.readChunks({ domainNo }, keys)) parts.push(block);
    const sent = Buffer.concat(parts);
    const chunks = new Map<string, Buffer>();
    for await (const { bytes } of readBlocks(inPieces(sent), { maxBytes: sent.length })) {
      for (const chunk of decodeBlock(bytes, 'answer').chunks) chunks.set(keyString(chunk), chunk.bytes);
    }
    return { chunks, sent };
  }

  spooledFiles(): string[] {
    return readdirSync(this.memory.spoolDir);
  }
}

export async function* inPieces(bytes: Buffer, size = 10_000): AsyncGenerator<Buffer, void, undefined> {
  for (let start = 0; start < bytes.length; start += size) {
    yield await Promise.resolve(Buffer.from(bytes.subarray(start, start + size)));
  }
}

/** A data chunk of bytes that no compressor shrinks, the same for the same seed. */
export function dataChunk(seed: string, length = 2_000): PlainChunk {
  const parts: Buffer[] = [];
  for (let part = 0; part * 32 < length; part += 1) parts.push(createHash('sha256').update(`${seed} ${part}`).digest());
  const bytes = Buffer.concat(parts).subarray(0, length);
  return { id: dataChunkId(bytes), height: 0, bytes };
}

export function blockOf(...chunks: PlainChunk[]): Buffer {
  return encodeBlock(chunks, { level: 1 });
}

/** Lists over the chunks, children first. */
export function listsOver(chunks: readonly { id: Buffer; size: number }[]): ListChunk[] {
  const builder = new ContentBuilder();
  const lists = chunks.flatMap((chunk) => builder.add(chunk));
  return [...lists, ...builder.finish().lists];
}

export function sized(chunks: readonly PlainChunk[]): { id: Buffer; size: number }[] {
  return chunks.map(({ id, bytes }) => ({ id, size: bytes.length }));
}

/** As few blocks as hold the chunks, in order. */
export function blocksOf(chunks: readonly PlainChunk[]): Buffer[] {
  const blocks: Buffer[] = [];
  const builder = new BlockBuilder();
  for (const chunk of chunks) {
    if (builder.tryAdd(chunk)) continue;
    blocks.push(blockOf(...builder.take()));
    builder.tryAdd(chunk);
  }
  if (!builder.isEmpty) blocks.push(blockOf(...builder.take()));
  return blocks;
}
