import { type FileHandle, open } from 'node:fs/promises';
import { type DumpedTable, encodeCatalogHeader, RecordStreamEncoder, TableRowsEncoder } from '#engine';
import { type DatabasePlace, openSnapshot } from '../database/open-snapshot';
import type { DatabaseSnapshot } from '../database/snapshot';
import { tablesToDump, type TableToDump } from './dumped-tables';

/** Plain data: it may go to another thread. */
export interface DumpRequest extends DatabasePlace {
  /** Where the dump is written; must not exist. */
  readonly file: string;
  readonly dumpId: string;
  readonly madeMs: number;
}

export interface WrittenDump {
  readonly length: number;
  readonly rows: number;
}

/** Rows between two reports of how far it is. */
const ROWS_PER_REPORT = 50_000;

/** Writes a dump of the database as it is at this moment (docs/format.md, "Catalog dumps"). */
export async function writeDump(request: DumpRequest, onProgress: (rows: number) => void): Promise<WrittenDump> {
  const snapshot = await openSnapshot(request);
  try {
    const file = await open(request.file, 'wx', 0o600);
    try {
      return await new DumpWriter(snapshot, file, onProgress).write(request);
    } finally {
      await file.close();
    }
  } finally {
    await snapshot.close();
  }
}

class DumpWriter {
  private readonly encoder = new RecordStreamEncoder('catalog', 'compressed');
  private length = 0;
  private rows = 0;
  private reported = 0;

  constructor(
    private readonly snapshot: DatabaseSnapshot,
    private readonly file: FileHandle,
    private readonly onProgress: (rows: number) => void,
  ) {}

  async write({ dumpId, madeMs }: DumpRequest): Promise<WrittenDump> {
    const toDump = tablesToDump();
    const tables: DumpedTable[] = [];
    for (const table of toDump) tables.push(await this.describe(table));
    const header = {
      repositoryId: String(await this.value(`select value from settings where name = 'repository_id'`)),
      dumpId,
      madeMs,
      newestStampMs: Number((await this.value('select max(last_stamp) from tasks')) ?? 0),
      level: String(await this.value('select name from migrations order by timestamp desc limit 1')),
      tables,
    };
    await this.add(encodeCatalogHeader(header));
    for (const [position, table] of toDump.entries()) await this.addRows(position, table);
    await this.append(this.encoder.finish());
    return { length: this.length, rows: this.rows };
  }

  private async describe({ name, columns, isNumbered, where }: TableToDump): Promise<DumpedTable> {
    const rows = Number(await this.value(`select count(*) from ${name} ${conditionOf(where)}`));
    return { name, columns, rows, lastNo: isNumbered ? await this.lastNo(name) : null };
  }

  private async lastNo(table: string): Promise<number> {
    const highest = Number((await this.value(`select max(no) from ${table}`)) ?? 0);
    return Math.max(highest, await this.snapshot.lastNo(table));
  }

  private async addRows(position: number, { name, columns, where }: TableToDump): Promise<void> {
    const rows = new TableRowsEncoder(position, columns);
    const names = columns.map((column) => column.name).join(', ');
    for await (const some of this.snapshot.rows(`select ${names} from ${name} ${conditionOf(where)}`)) {
      for (const row of some) {
        const full = rows.add(row);
        if (full !== null) await this.add(full);
      }
      this.rows += some.length;
      if (this.rows - this.reported < ROWS_PER_REPORT) continue;
      this.reported = this.rows;
      this.onProgress(this.rows);
    }
    const last = rows.finish();
    if (last !== null) await this.add(last);
  }

  private async value(sql: string): Promise<unknown> {
    return (await this.snapshot.first(sql))?.[0] ?? null;
  }

  private async add(record: Buffer): Promise<void> {
    const ready = this.encoder.add(record);
    if (ready !== null) await this.append(ready);
  }

  private async append(bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length;) done += (await this.file.write(bytes, done)).bytesWritten;
    this.length += bytes.length;
  }
}

function conditionOf(where: string | null): string {
  return where === null ? '' : `where ${where}`;
}
