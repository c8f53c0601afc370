import { Injectable, type PipeTransform } from '@nestjs/common';
import { DomainError } from '../http/domain-error';
import { UuidPipe } from '../http/uuid.pipe';

/** An id in the address of a page: one that cannot exist is as little there as one that does not. */
@Injectable()
export class PageIdPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    try {
      return new UuidPipe().transform(value);
    } catch (error) {
      throw new DomainError('not-found', 'There is nothing at this address.', { cause: error });
    }
  }
}
