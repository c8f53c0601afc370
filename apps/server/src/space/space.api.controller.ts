import { Controller, Get, Query } from '@nestjs/common';
import { API, type SpaceAnswer, type SpaceHistoryAnswer, SpaceHistoryQuery } from '#common';
import { ForPeople } from '../auth/access';
import { CurrentPerson } from '../auth/request-identity';
import type { PersonIdentity } from '../users/person-identity';
import { SpaceService } from './space.service';

@Controller()
export class SpaceApiController {
  constructor(private readonly space: SpaceService) {}

  @ForPeople('see-status')
  @Get(API.space)
  describe(@CurrentPerson() person: PersonIdentity): Promise<SpaceAnswer> {
    return this.space.describe(person);
  }

  @ForPeople('see-status')
  @Get(API.spaceHistory)
  history(@CurrentPerson() person: PersonIdentity, @Query() query: SpaceHistoryQuery): Promise<SpaceHistoryAnswer> {
    return this.space.history(person, query);
  }
}
