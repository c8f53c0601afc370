import { UsageError } from '../config/start-error';

/** What `restore-catalog` was asked for. */
export interface RestoreWords {
  readonly what: 'restore' | 'list' | 'adopt';
  /** Key of a dump; null: the newest. */
  readonly from: string | null;
  /** The operator says that no server is at work on the database. */
  readonly isServerStopped: boolean;
  readonly isJson: boolean;
}

const USAGE = 'Usage: holdfast-server restore-catalog [--from KEY | --list | --adopt [--server-is-stopped]] [--json]';

/** Null when it is another command. Throws UsageError on words that it does not know. */
export function parseRestoreWords([command, ...words]: readonly string[]): RestoreWords | null {
  if (command !== 'restore-catalog') return null;
  const left = [...words];
  const take = (flag: string): boolean => {
    const at = left.indexOf(flag);
    if (at !== -1) left.splice(at, 1);
    return at !== -1;
  };
  const [isJson, isList, isAdopt, isServerStopped] = [
    take('--json'),
    take('--list'),
    take('--adopt'),
    take('--server-is-stopped'),
  ];
  const at = left.indexOf('--from');
  const from = at === -1 ? null : (left[at + 1] ?? '');
  if (at !== -1) left.splice(at, 2);
  const isContradiction = [isList, isAdopt, from !== null].filter(Boolean).length > 1 || (isServerStopped && !isAdopt);
  if (left.length > 0 || from === '' || isContradiction) throw new UsageError(USAGE);
  return { what: isList ? 'list' : isAdopt ? 'adopt' : 'restore', from, isServerStopped, isJson };
}
