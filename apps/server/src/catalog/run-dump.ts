import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { DumpMessage } from './dump-thread';
import { type DumpRequest, writeDump, type WrittenDump } from './write-dump';

export interface DumpHow {
  readonly signal: AbortSignal;
  readonly onProgress: (rows: number) => void;
}

/** As {@link writeDump}, in a thread of its own: requests go on as if nothing were. Where there are only sources (tests), in slices. */
export async function runDump(request: DumpRequest, { signal, onProgress }: DumpHow): Promise<WrittenDump> {
  const file = join(__dirname, 'dump-thread.js');
  signal.throwIfAborted();
  if (!existsSync(file)) return writeDump(request, onProgress);
  const worker = new Worker(file, { workerData: request });
  const stop = (): void => void worker.terminate();
  signal.addEventListener('abort', stop);
  try {
    return await new Promise<WrittenDump>((resolve, reject) => {
      worker.on('message', (message: DumpMessage) => {
        if ('written' in message) resolve(message.written);
        else onProgress(message.rows);
      });
      worker.on('error', reject);
      worker.on('exit', () => {
        reject(signal.aborted ? (signal.reason as Error) : new Error('the thread that writes the dump has ended'));
      });
    });
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
