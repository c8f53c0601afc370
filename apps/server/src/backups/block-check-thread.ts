import { parentPort } from 'node:worker_threads';
import { type BlockCheck, checkBlock } from './block-check';

/** Each BlockCheck is answered with its BlockVerdict, in order. An error ends the thread with it. */
parentPort?.on('message', (check: BlockCheck) => {
  const verdict = checkBlock(check);
  const moved = 'lists' in verdict && verdict.lists !== null ? [verdict.lists] : [];
  parentPort?.postMessage(verdict, moved);
});
