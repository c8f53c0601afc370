import { createHash } from 'node:crypto';
import Database from 'better-sqlite3';

const MAX_IN_MEMORY = 100_000;

/**
 * Hard links are linked again only where the entries are equal byte for byte (the group's number is part of them):
 * remembers the first entry of each kind, in memory at first, in a temporary database when there are many.
 */
export class LinkGroups {
  private readonly memory = new Map<string, number>();
  private disk: { database: Database.Database; find: Database.Statement; add: Database.Statement } | null = null;

  constructor(private readonly maxInMemory = MAX_IN_MEMORY) {}

  /** Number of the first entry with these bytes, or undefined. */
  find(entryBytes: Buffer): number | undefined {
    const key = digest(entryBytes);
    const known = this.memory.get(key.toString('latin1'));
    if (known !== undefined || this.disk === null) return known;
    const row = this.disk.find.get(key) as { number: number } | undefined;
    return row?.number;
  }

  add(entryBytes: Buffer, number: number): void {
    const key = digest(entryBytes);
    if (this.memory.size < this.maxInMemory) {
      this.memory.set(key.toString('latin1'), number);
      return;
    }
    this.disk ??= openDisk();
    this.disk.add.run(key, number);
  }

  close(): void {
    this.disk?.database.close();
    this.disk = null;
  }
}

/** An empty name: a database in a file that SQLite deletes by itself, whatever ends the process. */
function openDisk(): { database: Database.Database; find: Database.Statement; add: Database.Statement } {
  const database = new Database('');
  database.exec(
    'pragma journal_mode = off; create table leaders (key blob primary key, number integer not null) without rowid',
  );
  return {
    database,
    find: database.prepare('select number from leaders where key = ?'),
    add: database.prepare('insert into leaders (key, number) values (?, ?) on conflict do nothing'),
  };
}

function digest(entryBytes: Buffer): Buffer {
  return createHash('sha256').update(entryBytes).digest();
}
