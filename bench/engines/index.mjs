import { findBorg } from './borg.mjs';
import { findBupstash } from './bupstash.mjs';
import { findHoldfast } from './holdfast.mjs';
import { findRestic } from './restic.mjs';
import { findRustic } from './rustic.mjs';

/**
 * The engines that are installed; Holdfast always is. An engine's `open(folder)` makes an empty repository and gives
 * the commands that back up and restore (`backup` for each backup anew), the folder whose bytes count as stored, the
 * folder of local caches, the server's process if it has one, and where below a target the source ends up.
 */
export function findEngines() {
  return [findRestic(), findBorg(), findRustic(), findBupstash(), findHoldfast()].filter((engine) => engine !== null);
}
