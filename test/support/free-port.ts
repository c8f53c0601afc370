import { once } from 'node:events';
import { createServer } from 'node:net';

const RANGE = 500;
/** Below those that a system gives out by itself (Linux: from 32,768), so that nobody is given one of these in between. */
const FIRST = 20_000;
const given = new Set<number>();

/** A port that nobody listens on, out of a range of this jest worker's own: it stays free while a process on it is started again. */
export async function freePort(): Promise<number> {
  const first = FIRST + RANGE * Number(process.env['JEST_WORKER_ID'] ?? 0);
  for (let tries = 0; tries < RANGE; tries += 1) {
    const port = first + Math.floor(Math.random() * RANGE);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no port from ${first} on is free`);
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen(port, '127.0.0.1');
    await once(probe, 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}
