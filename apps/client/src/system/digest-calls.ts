import type * as Koffi from 'koffi';

/** The SHA-256 that is in Node, in its thread pool. */
export interface DigestCalls {
  /** 32 bytes, of memory of their own. The bytes are read until it resolves: they must stay as they are. */
  readonly sha256: (bytes: Buffer) => Promise<Buffer>;
}

const DIGEST_BYTES = 32;
const NAME = Buffer.from('SHA256\0', 'latin1');

/**
 * Throws when this Node does not show its OpenSSL. Node's own way to a digest in another thread, `crypto.subtle`, copies the bytes
 * first, into memory that waits for a collection.
 */
export function bindDigestCalls(koffi: typeof Koffi): DigestCalls {
  const pointer = 'const void *';
  const types = ['void *', pointer, pointer, pointer, 'size_t', 'void *', 'void *'];
  const digest = koffi.load(null).func('EVP_Q_digest', 'int', types);
  return {
    sha256: (bytes) =>
      new Promise((resolve, reject) => {
        const into = Buffer.allocUnsafe(DIGEST_BYTES);
        // What it names of the buffers keeps them from being collected until the call has ended.
        digest.async(null, NAME, null, bytes, bytes.length, into, null, (error: unknown, result: number) => {
          if (error === null && result === 1) resolve(into);
          else reject(new Error(`SHA-256 failed for ${bytes.length} bytes`, { cause: error }));
        });
      }),
  };
}
