import { Module } from '@nestjs/common';
import { RemovalAdoptionModule } from '../../retention/removal-adoption.module';
import { CatalogPathsRepository } from '../catalog-paths.repository';
import { CatalogReadRepository } from '../catalog-read.repository';
import { CatalogWriteRepository } from '../catalog-write.repository';
import { ChunksRepository } from '../chunks.repository';
import { ManifestChanges } from '../manifest-changes';
import { ManifestDrafts } from '../manifest-drafts';
import { ManifestWriter } from '../manifest-writer';
import { PacksRepository } from '../packs.repository';
import { RunBatchesRepository } from '../run-batches.repository';
import { BatchRepositories, BatchWriter } from '../runs-batch';
import { RunUndo, UndoRepositories } from '../runs-undo';
import { RunsRepository } from '../runs.repository';
import { SetBackRuns } from '../set-back-runs';
import { AdoptionRunsRepository } from './adoption-runs.repository';
import { ContentAdoption, ContentRepositories } from './content-adoption';
import { FoundChunksRepository } from './found-chunks.repository';
import { FoundCopies, FoundCopiesRepositories } from './found-copies';
import { FoundCopiesRepository } from './found-copies.repository';
import { PackAdoption } from './pack-adoption';
import { RunAdoption, RunAdoptionParts } from './run-adoption';
import { TaskAdoption, TaskAdoptionParts } from './task-adoption';

/** As much of the backups feature as taking over needs; nothing of it looks after runs by itself. */
@Module({
  imports: [RemovalAdoptionModule],
  providers: [
    RunsRepository,
    RunBatchesRepository,
    CatalogPathsRepository,
    CatalogReadRepository,
    CatalogWriteRepository,
    ChunksRepository,
    PacksRepository,
    BatchRepositories,
    BatchWriter,
    ManifestChanges,
    ManifestDrafts,
    ManifestWriter,
    UndoRepositories,
    RunUndo,
    // Taken over as soon as they are undone.
    {
      provide: SetBackRuns,
      useValue: { mustStay: () => Promise.resolve(false) } satisfies Pick<SetBackRuns, 'mustStay'>,
    },
    AdoptionRunsRepository,
    FoundChunksRepository,
    FoundCopiesRepository,
    FoundCopiesRepositories,
    FoundCopies,
    ContentRepositories,
    ContentAdoption,
    PackAdoption,
    RunAdoptionParts,
    RunAdoption,
    TaskAdoptionParts,
    TaskAdoption,
  ],
  exports: [PackAdoption, TaskAdoption],
})
export class AdoptionModule {}
