import type { Request, Response } from 'express';
import { DomainError } from './domain-error';

const MIB = 1024 * 1024;

/** Of all requests at once, and of those of one caller: several times what an agent needs, and far below what hurts. */
export const HELD_MEMORY = { total: 512 * MIB, perCaller: 160 * MIB };

/**
 * All who gave no credentials, as one caller: by address, somebody with many of them could take what is there for everybody.
 */
const STRANGERS = 'strangers';

interface Hold {
  readonly caller: string;
  bytes: number;
}

// The process has one memory, however many applications a test starts in it.
const heldBy = new Map<string, number>();
let heldByAll = 0;
const callers = new WeakMap<Request, string>();
const holds = new WeakMap<Request, Hold>();

/** Names who is behind a request, once his credentials were checked. */
export function setCaller(request: Request, caller: string): void {
  callers.set(request, caller);
}

/**
 * Counts what the request holds, for its caller or for all strangers, until it was answered (or its caller left) and the function that is
 * returned was called: a handler may be at work for somebody who has left.
 */
export function countHeldMemory(request: Request, response: Response): () => void {
  const hold: Hold = { caller: callers.get(request) ?? STRANGERS, bytes: 0 };
  holds.set(request, hold);
  let open = 2;
  const end = (): void => {
    open -= 1;
    if (open === 0) add(hold, -hold.bytes);
  };
  response.once('close', end);
  if (response.closed) end();
  return end;
}

/**
 * To be called before a request takes memory in proportion to what its caller sent. Throws `unavailable` when the
 * caller, or all callers together, hold too much already: he may come again when less is going on.
 */
export function holdMemory(request: Request, bytes: number): void {
  const hold = holds.get(request);
  if (hold === undefined) return;
  const isTooMuch =
    heldByAll + bytes > HELD_MEMORY.total || (heldBy.get(hold.caller) ?? 0) + bytes > HELD_MEMORY.perCaller;
  if (isTooMuch) {
    throw new DomainError(
      'unavailable',
      'Too much is being sent or asked for at once; wait for some of it, then go on.',
    );
  }
  add(hold, bytes);
}

function add(hold: Hold, bytes: number): void {
  hold.bytes += bytes;
  heldByAll += bytes;
  const held = (heldBy.get(hold.caller) ?? 0) + bytes;
  if (held === 0) heldBy.delete(hold.caller);
  else heldBy.set(hold.caller, held);
}
