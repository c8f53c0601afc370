import { Module } from '@nestjs/common';
import { CatalogPathsRepository } from './catalog-paths.repository';
import { CatalogReadRepository } from './catalog-read.repository';
import { CatalogWriteRepository } from './catalog-write.repository';
import { ChunkDamage } from './chunk-damage';
import { ChunkReaderService } from './chunk-reader.service';
import { ChunksApiController } from './chunks.api.controller';
import { ChunksRepository } from './chunks.repository';
import { IngestApiController } from './ingest.api.controller';
import { IngestRows } from './ingest-rows';
import { IngestRepositories, IngestService } from './ingest.service';
import { ManifestWriter } from './manifest-writer';
import { PacksRepository } from './packs.repository';
import { RunHistoryApiController } from './run-history.api.controller';
import { RunHistoryRepository } from './run-history.repository';
import { RunHistoryService } from './run-history.service';
import { RunLease } from './run-lease';
import { BatchRepositories, BatchWriter } from './runs-batch';
import { CommitRepositories, RunCommit } from './runs-commit';
import { RunProblems } from './runs-problems';
import { RunStart, RunStartRepositories } from './runs-start';
import { RunUndo, UndoRepositories } from './runs-undo';
import { RunsApiController } from './runs.api.controller';
import { RunsRepository } from './runs.repository';
import { RunsScheduler } from './runs.scheduler';
import { RunsService } from './runs.service';
import { SnapshotsApiController } from './snapshots.api.controller';
import { SnapshotWalk } from './snapshots-walk';
import { SnapshotsRepository } from './snapshots.repository';
import { SnapshotRepositories, SnapshotsService } from './snapshots.service';
import { TasksApiController } from './tasks.api.controller';
import { TasksRepository } from './tasks.repository';
import { TasksService } from './tasks.service';
import { VersionsApiController } from './versions.api.controller';
import { VersionsRepository } from './versions.repository';
import { VersionsService } from './versions.service';
import { VersionsWalk } from './versions-walk';

const REPOSITORIES = [
  TasksRepository,
  RunsRepository,
  RunHistoryRepository,
  SnapshotsRepository,
  VersionsRepository,
  CatalogPathsRepository,
  CatalogReadRepository,
  CatalogWriteRepository,
  ChunksRepository,
  PacksRepository,
  BatchRepositories,
  CommitRepositories,
  RunStartRepositories,
  SnapshotRepositories,
  UndoRepositories,
];

const RUNS = [RunsService, RunStart, BatchWriter, RunProblems, RunCommit, RunUndo, RunsScheduler, ManifestWriter];

const CHUNKS = [IngestService, IngestRepositories, IngestRows, RunLease, ChunkReaderService, ChunkDamage];

/** Readings of the catalog. */
const READING = [TasksService, SnapshotsService, SnapshotWalk, VersionsService, VersionsWalk, RunHistoryService];

const CONTROLLERS = [
  TasksApiController,
  RunsApiController,
  IngestApiController,
  SnapshotsApiController,
  ChunksApiController,
  RunHistoryApiController,
  VersionsApiController,
];

/** Runs, snapshots and chunks: what a backup writes and a restore reads. */
@Module({
  controllers: CONTROLLERS,
  providers: [...REPOSITORIES, ...RUNS, ...CHUNKS, ...READING],
  exports: [IngestService, ChunkReaderService, RunsService, TasksService, SnapshotsService],
})
export class BackupsModule {}
