import { IsIn, IsOptional } from 'class-validator';

const VERIFIERS = ['server', 'asker'] as const;
/**
 * Who holds a block that is sent whole against its digests. `asker`: it is sent as it lies in storage, and whoever asked verifies
 * each chunk, which he has to do anyway; for what is not right he asks once more with `server`, and only then damage is looked for
 * and marked. What is cut out of a block is verified in either case, and all is where several domains have data. Only with `asker` may
 * a block hold more than was asked for: chunks of the asker's own, to be passed over.
 */
export type Verifier = (typeof VERIFIERS)[number];

/** `POST /api/clients/me/chunks/read` */
export class ReadChunksQuery {
  /** Default: the server. */
  @IsOptional() @IsIn(VERIFIERS) verifier?: Verifier;
}
