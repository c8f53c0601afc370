import { endianness } from 'node:os';
import { Controller, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { API, BLOCKS_TYPE, KEYS_TYPE, LIMITS, RANKS_TYPE, ReadChunksQuery } from '#common';
import { freeMemory, ID_BYTES } from '#engine';
import { ForAgents } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent } from '../auth/request-identity';
import { holdMemory } from '../http/held-memory';
import { holding, rawBody } from '../http/raw-body';
import { streamAnswer } from '../http/stream-answer';
import { ChunkReaderService } from './chunk-reader.service';
import { readKeys } from './keys-body';

const RANK_KEYS = { type: KEYS_TYPE, maxBytes: LIMITS.rankKeys * (1 + ID_BYTES) };
/** What a reading holds beside its keys: a block, as stored and plain. */
const READ_BYTES = 8 * 1024 * 1024;

@Controller()
export class ChunksApiController {
  constructor(private readonly reader: ChunkReaderService) {}

  @ForAgents()
  @Post(API.ranks)
  async ranks(@CurrentAgent() agent: AgentIdentity, @Req() request: Request, @Res() response: Response): Promise<void> {
    // A place takes about as much as its key.
    const keys = holding(request, rawBody(request, RANK_KEYS), 1);
    const ranks = await this.reader.ranks(agent.domainNo, keys);
    response.status(200).type(RANKS_TYPE).send(littleEndian(ranks));
  }

  @ForAgents()
  @Post(API.readChunks)
  @HttpCode(200)
  async read(
    @CurrentAgent() agent: AgentIdentity,
    @Query() { verifier }: ReadChunksQuery,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const keys = await readKeys(request, LIMITS.readKeys);
    holdMemory(request, READ_BYTES);
    await streamAnswer(response, BLOCKS_TYPE, this.reader.readChunks(agent, keys, verifier), freeMemory);
  }
}

/** The numbers as u32 in the byte order of the wire; shares memory with them. */
function littleEndian(numbers: Uint32Array): Buffer {
  const bytes = Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  return endianness() === 'LE' ? bytes : bytes.swap32();
}
