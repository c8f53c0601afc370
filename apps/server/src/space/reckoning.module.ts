import { Module } from '@nestjs/common';
import { SpaceDaysRepository } from './space-days.repository';
import { SpaceReadingRepository } from './space-reading.repository';
import { ReckoningReading, SpaceReckoning } from './space-reckoning';
import { StorageSpace } from './storage-space';
import { TaskSpace } from './task-space';

/** Reckons what is stored for whom; the job `space`. */
@Module({
  providers: [SpaceReckoning, ReckoningReading, SpaceReadingRepository, SpaceDaysRepository, TaskSpace, StorageSpace],
  exports: [SpaceReckoning, SpaceDaysRepository],
})
export class ReckoningModule {}
