import { Body, Controller, Get, Put } from '@nestjs/common';
import { API, LogLevelRequest, type LogLevelAnswer } from '#common';
import { ForPeople } from '../auth/access';
import { CurrentPerson } from '../auth/request-identity';
import type { PersonIdentity } from '../users/person-identity';
import { LogLevelService } from './log-level.service';

@Controller()
export class LogLevelApiController {
  constructor(private readonly levels: LogLevelService) {}

  @ForPeople('maintain')
  @Get(API.logLevel)
  get(): LogLevelAnswer {
    return { level: this.levels.level };
  }

  @ForPeople('maintain')
  @Put(API.logLevel)
  async change(@CurrentPerson() person: PersonIdentity, @Body() request: LogLevelRequest): Promise<LogLevelAnswer> {
    await this.levels.change(person, request.level);
    return { level: this.levels.level };
  }
}
