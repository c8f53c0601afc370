import type { MaintenanceJob, MaintenanceRun } from '#common';
import { countText, sizeText } from '../pages/quantities';

export const JOB_WORDS: Readonly<Record<MaintenanceJob, { label: string; does: string; warning: string | null }>> = {
  retention: {
    label: 'Retention',
    does: 'Applies the retention policies: versions that no policy keeps go.',
    warning: 'What it removes cannot be brought back. Look with a dry run first.',
  },
  reclaim: {
    label: 'Reclaim',
    does: 'Gives back the space of what nothing refers to any more.',
    warning: 'What it takes was of no use to any backup for a day at least, and is gone for good.',
  },
  scrub: {
    label: 'Scrub',
    does: 'Looks whether all packs are there, and reads those back that are due.',
    warning: null,
  },
  space: {
    label: 'Space',
    does: 'Reckons what is stored for each user, client and task, for the history and the forecast.',
    warning: null,
  },
  'catalog-dump': {
    label: 'Dump of the catalog',
    does: 'Puts a copy of what the database knows of the backups into the storage.',
    warning: null,
  },
};

const FIGURES: Readonly<Record<string, string>> = {
  users: 'users',
  clients: 'clients',
  tasks: 'tasks',
  logicalBytes: 'in all versions',
  uniqueBytes: 'in different chunks',
  storedBytes: 'in storage',
  reclaimableBytes: 'to come back',
  skippedTasks: 'tasks left out',
  purgedTasks: 'deleted tasks of which nothing can be brought back',
  purgedVersions: 'versions of them gone',
  deletedTasks: 'deleted tasks to go for good',
  failedTasks: 'tasks that retention failed for',
  versions: 'versions looked at',
  removedVersions: 'versions to remove',
  removedBytes: 'in them',
  freedBytes: 'freed',
  chunks: 'chunks',
  referenced: 'in use',
  condemned: 'condemned',
  swept: 'taken',
  sweptBytes: 'in them',
  packsDied: 'packs done with',
  packsDeleted: 'packs deleted',
  heldPacks: 'packs kept for older copies of the catalog',
  heldBytes: 'in them',
  endedHolds: 'packs not kept for them any longer, as the disk is full',
  packsLater: 'packs to be written anew when older ones have gone',
  packsWithoutRoom: 'packs not written anew for want of room',
  failedPacks: 'packs that could not be written anew, or be deleted',
  packs: 'packs',
  missingPacks: 'packs missing',
  misshapenPacks: 'packs of a wrong size',
  strayObjects: 'objects of nobody',
  strayBytes: 'in them',
  packsRead: 'packs read',
  bytesRead: 'read',
  chunksRead: 'chunks read',
  damagedChunks: 'chunks damaged',
  clearedChunks: 'chunks well again',
  unreadablePacks: 'packs unreadable',
  faultyPacks: 'packs faulty',
  dumpedRows: 'rows dumped',
  dumpBytes: 'in the dump',
  dumps: 'dumps kept',
  removedDumps: 'old dumps removed',
  standingDamage: 'chunks damaged at the end',
};

/** Pure: a job's report in words: its numbers, those left out that are 0. */
export function reportWords({ report }: Pick<MaintenanceRun, 'report'>): string {
  if (report === null) return '';
  if ('error' in report && typeof report.error === 'string') return report.error;
  const numbers = Object.entries(report).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && entry[1] !== 0,
  );
  if (numbers.length === 0) return 'nothing to do';
  return numbers
    .map(([name, value]) => {
      const isSize = name.endsWith('Bytes') || name.startsWith('bytes');
      return `${isSize ? sizeText(value) : countText(value)} ${FIGURES[name] ?? wordsOf(name)}`;
    })
    .join(', ');
}

/** `somethingNew`: `something new` */
function wordsOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
