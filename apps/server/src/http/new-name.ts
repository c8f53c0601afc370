import { newNameFault } from '#common';
import { DomainError } from './domain-error';

/** Throws `invalid` for a name that nothing gets any more, though something may have it from before. */
export function assertNewName(name: string): void {
  const fault = newNameFault(name);
  if (fault !== null) throw new DomainError('invalid', fault);
}
