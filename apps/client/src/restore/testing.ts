import type { GoneAnswer, Verifier } from '#common';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ChunkKey,
  comparePaths,
  ContentBuilder,
  type ContentRef,
  cutLength,
  dataChunkId,
  decodeKeys,
  encodeBlock,
  encodeEntry,
  encodeEntryRecord,
  type Entry,
  keyString,
  type PlainChunk,
  RecordStreamEncoder,
} from '#engine';
import { nativeCalls } from '../system/native-calls';
import { type Owner } from './metadata';
import { type RestoreServer, type SystemCalls } from './ports';
import { type RestoreOptions, type RestoreOutcome, runRestore } from './run-restore';

/** A server in memory that says whatever a test wants. */
export class FakeServer implements RestoreServer {
  readonly listed: { path: Buffer; entry: Buffer }[] = [];
  readonly chunks = new Map<string, PlainChunk>();
  /** Keys of each `readChunks` call. */
  readonly reads: string[][] = [];
  /** Who was to verify, of each `readChunks` call. */
  readonly verifiers: Verifier[] = [];
  /** Called before a `readChunks` call is answered, with its number from 0. */
  onRead: (call: number) => void = () => undefined;
  /** Paths that retention took. */
  gonePaths: string[] = [];
  /** Bytes that replace a whole entry stream. */
  stream: Buffer | null = null;

  holdSnapshot(): Promise<void> {
    return Promise.resolve();
  }

  /** One path a page. */
  gone(_runId: string, after: number): Promise<GoneAnswer> {
    const page = this.gonePaths.slice(after, after + 1).map((path) => Buffer.from(path).toString('base64'));
    const next = after + 1 < this.gonePaths.length ? after + 1 : null;
    return Promise.resolve({ isThinned: this.gonePaths.length > 0, pathsBase64: page, next });
  }

  add(path: string | Buffer, fields: Partial<Entry> = {}): this {
    const entry = {
      kind: 'file',
      size: 0,
      mtimeNs: 1_000_000_123n,
      mode: 0o644,
      content: null,
      ...OWN,
      ...fields,
    } as const;
    this.listed.push({ path: Buffer.from(path), entry: encodeEntry(entry) });
    return this;
  }

  directory(path: string | Buffer, fields: Partial<Entry> = {}): this {
    return this.add(path, { kind: 'directory', mode: 0o755, ...fields });
  }

  file(path: string | Buffer, bytes: Buffer | string, fields: Partial<Entry> = {}): this {
    const content = this.store(Buffer.from(bytes));
    return this.add(path, { size: content?.size ?? 0, content, ...fields });
  }

  /** Chunks and lists of these bytes, as the agent would make them. */
  store(bytes: Buffer): ContentRef | null {
    const builder = new ContentBuilder();
    for (let start = 0; start < bytes.length;) {
      const length = cutLength(bytes, start, bytes.length);
      const piece = bytes.subarray(start, start + length);
      const id = dataChunkId(piece);
      this.keep({ id, height: 0, bytes: piece });
      for (const list of builder.add({ id, size: length })) this.keep(list);
      start += length;
    }
    const { lists, content } = builder.finish();
    for (const list of lists) this.keep(list);
    return content;
  }

  keep(chunk: PlainChunk): void {
    this.chunks.set(keyString(chunk), chunk);
  }

  sort(): this {
    this.listed.sort((a, b) => comparePaths(a.path, b.path));
    return this;
  }

  async *entries(): AsyncGenerator<Buffer> {
    if (this.stream !== null) {
      yield await Promise.resolve(this.stream);
      return;
    }
    const encoder = new RecordStreamEncoder('entries');
    for (const record of this.listed) {
      const ready = encoder.add(encodeEntryRecord(record));
      if (ready !== null) yield ready;
    }
    yield encoder.finish();
  }

  async ranks(keys: () => AsyncIterable<Buffer>): Promise<Uint32Array> {
    const pieces: Buffer[] = [];
    for await (const piece of keys()) pieces.push(piece);
    const places = new Map([...this.chunks.keys()].map((key, index) => [key, index]));
    const asked = decodeKeys(Buffer.concat(pieces), 1_000_000);
    return Uint32Array.from(asked, (key) => places.size - 1 - (places.get(keyString(key)) ?? 0));
  }

  async *readChunks(keys: readonly ChunkKey[], verifier: Verifier): AsyncGenerator<Buffer> {
    this.reads.push(keys.map(keyString));
    this.verifiers.push(verifier);
    this.onRead(this.reads.length - 1);
    for (const key of keys) {
      const chunk = this.chunks.get(keyString(key));
      if (chunk !== undefined) yield await Promise.resolve(encodeBlock([chunk], { level: 1 }));
    }
  }
}

export const OWN = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

/** A private directory with an empty target and a place for the plan. */
export class Sandbox {
  readonly root = mkdtempSync(join(tmpdir(), 'holdfast-restore-'));
  readonly target = join(this.root, 'target');
  readonly outside = join(this.root, 'outside');
  readonly spool = join(this.root, 'spool');

  constructor() {
    for (const path of [this.target, this.outside, this.spool]) mkdirSync(path);
  }

  in(...names: string[]): string {
    return join(this.target, ...names);
  }

  restore(
    server: RestoreServer,
    options: Partial<RestoreOptions> & { system?: SystemCalls; owner?: Owner } = {},
  ): Promise<RestoreOutcome> {
    const { system = nativeCalls(), owner, ...rest } = options;
    return runRestore(
      { snapshotId: 'snapshot', target: this.target, path: Buffer.from('/'), conflicts: 'refuse', ...rest },
      {
        server,
        system,
        spoolDirectory: this.spool,
        ...(owner === undefined ? {} : { owner }),
      },
    );
  }

  remove(): void {
    makeRemovable(this.root, 3);
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Restored directories may be closed to their own owner; those in tests near the top. */
function makeRemovable(directory: string, depth: number): void {
  chmodSync(directory, 0o700);
  for (const item of readdirSync(directory, { withFileTypes: true })) {
    if (item.isDirectory() && depth > 0) makeRemovable(join(directory, item.name), depth - 1);
  }
}
