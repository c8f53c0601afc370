import { AsyncLocalStorage } from 'node:async_hooks';

const requests = new AsyncLocalStorage<{ readonly id: string }>();

/** Whatever `work` does, also later and elsewhere, belongs to the request. */
export function inRequest<T>(id: string, work: () => T): T {
  return requests.run({ id }, work);
}

/** The request that this is done for; undefined: none (jobs, the start). */
export function currentRequestId(): string | undefined {
  return requests.getStore()?.id;
}
