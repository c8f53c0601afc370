import type { StorageClass } from '#common';
import { DomainError } from '../http/domain-error';

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';

export const REPOSITORY_KEY = 'repository.json';
export const HIGH_WATER_PREFIX = 'high-water/';
export const CATALOG_PREFIX = 'catalog/';

/** What keys begin with, sorted; whatever else lies beside it (database, spool, secrets) is not ours to show. */
export const TOP_NAMES = [CATALOG_PREFIX, 'config/', HIGH_WATER_PREFIX, 'packs/', REPOSITORY_KEY, 'tasks/'] as const;

/**
 * Every form that a key can have. A key that fits none is refused, so no key can climb out of the storage
 * (`..`, absolute paths, empty segments), name the database or a temporary file, or differ only by letter case.
 */
const FORMS: readonly { readonly name: StorageClass; readonly form: RegExp }[] = [
  { name: 'catalog', form: new RegExp(`^catalog/[0-9]{16}-${UUID}$`) },
  { name: 'config', form: new RegExp(`^config/[0-9]{16}-${UUID}$`) },
  { name: 'repository', form: /^repository\.json$/ },
  { name: 'high-water', form: /^high-water\/[0-9a-f]{16}$/ },
  { name: 'pack', form: new RegExp(`^packs/[0-9a-f]{2}/${UUID}$`) },
  { name: 'manifest', form: new RegExp(`^tasks/${UUID}/run-[0-9]{1,16}-${UUID}$`) },
  { name: 'removal', form: new RegExp(`^tasks/${UUID}/removed-[0-9]{1,16}-${UUID}$`) },
  { name: 'void', form: new RegExp(`^tasks/${UUID}/void-[0-9]{1,16}-${UUID}$`) },
];

/** The class of objects that the key names, or null when it is no key at all. */
export function classOfKey(key: string): StorageClass | null {
  return FORMS.find(({ form }) => form.test(key))?.name ?? null;
}

/** Like {@link classOfKey}; throws `invalid` on what is no key. */
export function parseKey(key: string): StorageClass {
  const name = classOfKey(key);
  if (name === null) throw new DomainError('invalid', `Not a storage key: ${JSON.stringify(key.slice(0, 200))}`);
  return name;
}

/** Throws `invalid` on a prefix that no key can start with by its letters. */
export function parsePrefix(prefix: string): void {
  if (/^[a-z0-9./-]*$/.test(prefix) && !prefix.includes('..') && !prefix.startsWith('/')) return;
  throw new DomainError('invalid', `Not a prefix of storage keys: ${JSON.stringify(prefix.slice(0, 200))}`);
}
