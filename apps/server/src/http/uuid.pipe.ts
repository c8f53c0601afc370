import { Injectable, type PipeTransform } from '@nestjs/common';
import { DomainError } from './domain-error';

/** An id in a path: a UUID in its one canonical form. */
@Injectable()
export class UuidPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) return value;
    throw new DomainError('invalid', 'The id in the path must be a UUID in lower case.');
  }
}
