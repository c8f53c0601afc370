import { Injectable, type OnModuleInit } from '@nestjs/common';
import { StartError } from '../config/start-error';
import { Database } from '../database/database';
import { RestoreMarkRepository } from './restore-mark.repository';

/** Keeps a server, and its jobs, off a catalog that is not whole. */
@Injectable()
export class UnfinishedRestore implements OnModuleInit {
  private readonly marks = new RestoreMarkRepository();

  constructor(private readonly database: Database) {}

  async onModuleInit(): Promise<void> {
    const mark = await this.database.read((sql) => this.marks.load(sql));
    if (mark === null) return;
    const how = mark.from === null ? ' --adopt' : '';
    throw new StartError(
      `Bringing the catalog back has begun and is not finished: run "holdfast-server restore-catalog${how}" again. Nothing is served before that.`,
    );
  }
}
