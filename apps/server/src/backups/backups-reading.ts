import { Injectable } from '@nestjs/common';
import { FilesService } from './files.service';
import { RunHistoryService } from './run-history.service';
import { SnapshotsService } from './snapshots.service';

/** What the pages of backups read. */
@Injectable()
export class BackupsReading {
  constructor(
    readonly runs: RunHistoryService,
    readonly files: FilesService,
    readonly snapshots: SnapshotsService,
  ) {}
}
