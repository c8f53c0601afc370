import { Module } from '@nestjs/common';
import { BackupsModule } from '../backups/backups.module';
import { PackReading } from './pack-reading';
import { ScrubRepository } from './scrub.repository';
import { ScrubService, ScrubWork } from './scrub.service';
import { StorageLook } from './storage-look';

/** Reads packs back and finds damage. */
@Module({
  imports: [BackupsModule],
  providers: [ScrubService, ScrubWork, ScrubRepository, StorageLook, PackReading],
  exports: [ScrubService],
})
export class ScrubModule {}
