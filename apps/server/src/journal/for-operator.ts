import { SettingsError } from '../config/server-settings';
import { StartError } from '../config/start-error';
import { DomainError } from '../http/domain-error';

/** Errors whose words were written for the operator; others are faults, of which the stack is to be seen. */
export function isForOperator(error: unknown): error is Error {
  return error instanceof SettingsError || error instanceof StartError || error instanceof DomainError;
}
