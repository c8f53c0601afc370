import { Module } from '@nestjs/common';
import { ClientBackupsApiController } from './client-backups.api.controller';
import { DownloadService } from './download.service';
import { FileContent } from './file-content';
import { BackupsPagesController } from './backups.pages.controller';
import { BackupsReading } from './backups-reading';
import { FilesService } from './files.service';
import { RunQueueRepository } from './run-queue.repository';
import { RunQueueRepositories, RunQueueService } from './run-queue.service';
import { RunReportsApiController } from './run-reports.api.controller';
import { RunReportsRepository } from './run-reports.repository';
import { RunReports } from './run-reports.service';
import { TaskDefinitionsApiController } from './task-definitions.api.controller';
import { TaskDueTimes } from './task-due-times';
import { TaskDefinitionsRepository } from './task-definitions.repository';
import { TaskDefinitionRules, TaskDefinitionsService } from './task-definitions.service';
import { AuditModule } from '../audit/audit.module';
import { FreshSignIn } from '../auth/fresh-sign-in';
import { ClientsModule } from '../clients/clients.module';
import { GuardsModule } from '../guards/guards.module';
import { ConfigExportModule } from '../config-export/config-export.module';
import { ProtectWindowModule } from '../retention/protect-window.module';
import { RetentionModule } from '../retention/retention.module';
import { CatalogPathsRepository } from './catalog-paths.repository';
import { CatalogReadRepository } from './catalog-read.repository';
import { CatalogWriteRepository } from './catalog-write.repository';
import { ChunkDamage } from './chunk-damage';
import { DamageApiController } from './damage.api.controller';
import { DamageRepository } from './damage.repository';
import { DamageService } from './damage.service';
import { ChunkReaderService } from './chunk-reader.service';
import { ChunksApiController } from './chunks.api.controller';
import { ChunksRepository } from './chunks.repository';
import { IngestApiController } from './ingest.api.controller';
import { IngestRows } from './ingest-rows';
import { IngestRepositories, IngestService } from './ingest.service';
import { ManifestChanges } from './manifest-changes';
import { ManifestDrafts } from './manifest-drafts';
import { ManifestWriter } from './manifest-writer';
import { BlockChecks } from './block-checks';
import { PackFiles } from './pack-files';
import { PacksRepository } from './packs.repository';
import { QuotaRepository } from './quota.repository';
import { UploadRoom } from './upload-room';
import { DeleteWork, ReclaimDelete } from './reclaim-delete';
import { ReclaimMark } from './reclaim-mark';
import { ReclaimRepository } from './reclaim.repository';
import { ReclaimRewrite, RewriteWork } from './reclaim-rewrite';
import { ReclaimParts, ReclaimService } from './reclaim.service';
import { PackRewriter, RewriterRepositories } from './pack-rewriter';
import { PackUsages } from './pack-usage';
import { RewriteRoom } from './rewrite-room';
import { RunBatchesRepository } from './run-batches.repository';
import { RunUploadsRepository } from './run-uploads.repository';
import { RewriteRepository } from './rewrite.repository';
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
import { SetBackRuns } from './set-back-runs';
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
  ReclaimRepository,
  ReclaimParts,
  DeleteWork,
  ReclaimDelete,
  RewriteRepository,
  RunUploadsRepository,
  RunBatchesRepository,
  RewriterRepositories,
  BatchRepositories,
  CommitRepositories,
  RunStartRepositories,
  SnapshotRepositories,
  UndoRepositories,
  RunQueueRepository,
  RunQueueRepositories,
  RunReportsRepository,
  TaskDueTimes,
  TaskDefinitionsRepository,
  DamageRepository,
  QuotaRepository,
];

const RUNS = [
  RunsService,
  RunStart,
  BatchWriter,
  RunProblems,
  RunCommit,
  RunUndo,
  SetBackRuns,
  RunsScheduler,
  ManifestWriter,
  ManifestChanges,
  ManifestDrafts,
];

const CHUNKS = [
  IngestService,
  IngestRepositories,
  IngestRows,
  PackFiles,
  BlockChecks,
  RunLease,
  ChunkReaderService,
  ChunkDamage,
  DamageService,
  UploadRoom,
];

/** What people and agents say of tasks and runs. */
const DEFINITIONS = [TaskDefinitionsService, TaskDefinitionRules, FreshSignIn, RunQueueService, RunReports];

const RECLAIM = [ReclaimService, ReclaimMark, ReclaimRewrite, RewriteWork, RewriteRoom, PackUsages, PackRewriter];

/** Readings of the catalog. */
const READING = [
  TasksService,
  SnapshotsService,
  SnapshotWalk,
  VersionsService,
  VersionsWalk,
  RunHistoryService,
  FileContent,
  FilesService,
  BackupsReading,
  DownloadService,
];

const CONTROLLERS = [
  TasksApiController,
  RunsApiController,
  IngestApiController,
  SnapshotsApiController,
  ChunksApiController,
  RunHistoryApiController,
  VersionsApiController,
  RunReportsApiController,
  TaskDefinitionsApiController,
  BackupsPagesController,
  ClientBackupsApiController,
  DamageApiController,
];

/** Runs, snapshots and chunks: what a backup writes and a restore reads. */
@Module({
  imports: [AuditModule, ClientsModule, ConfigExportModule, GuardsModule, ProtectWindowModule, RetentionModule],
  controllers: CONTROLLERS,
  providers: [...REPOSITORIES, ...RUNS, ...CHUNKS, ...DEFINITIONS, ...RECLAIM, ...READING],
  exports: [
    IngestService,
    ChunkReaderService,
    RunsService,
    TasksService,
    SnapshotsService,
    TaskDefinitionsService,
    RunQueueService,
    RunHistoryService,
    ReclaimService,
    ChunkDamage,
    DamageService,
  ],
})
export class BackupsModule {}
