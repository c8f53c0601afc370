import { parentPort, workerData } from 'node:worker_threads';
import { type DumpRequest, writeDump, type WrittenDump } from './write-dump';

/** How far it is, and at last what was written. An error ends the thread with it. */
export type DumpMessage = { readonly rows: number } | { readonly written: WrittenDump };

const tell = (message: DumpMessage): void => {
  parentPort?.postMessage(message);
};

void writeDump(workerData as DumpRequest, (rows) => {
  tell({ rows });
}).then((written) => {
  tell({ written });
});
