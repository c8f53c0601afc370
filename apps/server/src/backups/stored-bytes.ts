import { DomainError } from '../http/domain-error';
import type { Storage } from '../storage/storage';

/** Null when storage proves that the bytes are not there. "Could not tell" is an error. */
export async function storedBytes(
  storage: Storage,
  key: string,
  { offset, length }: { readonly offset: number; readonly length: number },
): Promise<Buffer | null> {
  try {
    return await storage.get(key, { offset, length });
  } catch (error) {
    if (error instanceof DomainError && (error.code === 'object-missing' || error.code === 'corrupt')) return null;
    throw error;
  }
}
