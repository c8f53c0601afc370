import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { API, BLOCKS_TYPE, KEYS_TYPE, LIMITS, type PackAnswer } from '#common';
import { encodeKeys } from '#engine';
import { ForAgents } from '../auth/access';
import { holdMemory } from '../http/held-memory';
import { rawBody } from '../http/raw-body';
import { IngestService } from './ingest.service';
import { readKeys } from './keys-body';
import type { RunGrant } from './run-grant';
import { Granted } from './run-grant.param';

const PACK = { type: BLOCKS_TYPE, maxBytes: LIMITS.packBodyBytes };

@Controller()
export class IngestApiController {
  constructor(private readonly ingest: IngestService) {}

  @ForAgents()
  @Post(API.missing(':runId'))
  async missing(@Granted() run: RunGrant, @Req() request: Request, @Res() response: Response): Promise<void> {
    const missing = await this.ingest.missing(run, await readKeys(request, LIMITS.missingKeys));
    response.status(200).type(KEYS_TYPE).send(encodeKeys(missing));
  }

  @ForAgents()
  @Post(API.packs(':runId'))
  @HttpCode(200)
  receivePack(@Granted() run: RunGrant, @Req() request: Request): Promise<PackAnswer> {
    const announcedBytes = Number(request.headers['content-length'] ?? 0);
    return this.ingest.receivePack(run, rawBody(request, PACK), {
      announcedBytes,
      onMemory: (bytes) => {
        holdMemory(request, bytes);
      },
    });
  }
}
