import { Controller, Get, Param, Query } from '@nestjs/common';
import { API, type DamageAnswer, DamagedFilesQuery, type DamagedFilesAnswer } from '#common';
import { ForPeople } from '../auth/access';
import { CurrentPerson } from '../auth/request-identity';
import { UuidPipe } from '../http/uuid.pipe';
import type { PersonIdentity } from '../users/person-identity';
import { DamageService } from './damage.service';

/** What cannot be restored at the moment. */
@Controller()
export class DamageApiController {
  constructor(private readonly damage: DamageService) {}

  @ForPeople('see-status')
  @Get(API.damage)
  describe(@CurrentPerson() person: PersonIdentity): Promise<DamageAnswer> {
    return this.damage.describe(person);
  }

  @ForPeople('read-files')
  @Get(API.taskDamage(':taskId'))
  files(
    @CurrentPerson() person: PersonIdentity,
    @Param('taskId', UuidPipe) taskId: string,
    @Query() query: DamagedFilesQuery,
  ): Promise<DamagedFilesAnswer> {
    return this.damage.files(person, taskId, query.cursor ?? 0, query.limit);
  }
}
