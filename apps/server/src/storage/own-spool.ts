import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const NAME = /^spool-(\d+)-/;

/**
 * A spool of this process alone below `directory`, which several servers of one machine may share; takes away those of
 * processes that are gone. (In a container every process is number 1: ours is not there yet, so an equal number is a dead one's.)
 */
export async function openOwnSpool(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of await readdir(directory)) {
    const owner = NAME.exec(name)?.[1];
    if (owner !== undefined && !isRunning(Number(owner))) await rm(join(directory, name), { recursive: true });
  }
  return mkdtemp(join(directory, `spool-${process.pid}-`));
}

function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, for somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
