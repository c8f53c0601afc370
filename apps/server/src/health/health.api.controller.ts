import { Controller, Get } from '@nestjs/common';
import { API, type ReadyAnswer } from '#common';
import { Public } from '../auth/access';
import { ReadinessService } from './readiness.service';

@Controller()
export class HealthApiController {
  constructor(private readonly readiness: ReadinessService) {}

  /** The process serves. Says nothing about database or storage: restarting it would not mend those. */
  @Public()
  @Get(API.live)
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** Database, migrations, storage and disk are fit for work; 503 with what is not. Stopped deletion and damage are warnings. */
  @Public()
  @Get(API.ready)
  ready(): Promise<ReadyAnswer> {
    return this.readiness.get();
  }
}
