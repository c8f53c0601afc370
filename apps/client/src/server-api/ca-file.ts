import { readFileSync } from 'node:fs';

/** The certificates of SERVER_CA_FILE; null when it is not set. */
export function loadCa(caFile: string | null): string | null {
  if (caFile === null) return null;
  try {
    return readFileSync(caFile, 'utf8');
  } catch (error) {
    throw new Error('SERVER_CA_FILE names a file that cannot be read', { cause: error });
  }
}
