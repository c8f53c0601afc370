import { parentPort, workerData } from 'node:worker_threads';
import { openLog } from './sqlite-log';

/** Each message is answered with the LogState after a checkpoint, in order. An error ends the thread with it. */
const log = openLog(workerData as string);
parentPort?.on('message', () => {
  parentPort?.postMessage(log.checkpoint());
});
