import { Controller, Get } from '@nestjs/common';
import { API } from '#common';
import { Public } from '../auth/access';

@Controller()
export class HealthApiController {
  /** The process serves. Says nothing about database or storage: restarting it would not mend those. */
  @Public()
  @Get(API.live)
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }
}
