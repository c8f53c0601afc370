// Its decorators need it, also where no Nest is loaded (tests); the first of all classes of the wire.
import 'reflect-metadata';
import { Type } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';

/**
 * Of every list that comes in pages: `cursor` is `next` of the page before, left out for the first one; `next` null is the last page. A page
 * may have fewer items than `limit`.
 */
export class PageFields {
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) @Max(1_000) limit?: number;
}
