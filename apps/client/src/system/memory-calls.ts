import type * as Koffi from 'koffi';

/** What Node cannot tell the kernel about memory. */
export interface MemoryCalls {
  /**
   * The bytes are not needed any more: their pages go back to the system, and the memory stays, to be written again. What it holds
   * afterwards is not said. Of no effect where the system does not want it.
   */
  readonly forget: (memory: Buffer) => void;
}

const MADV_DONTNEED = 4;

/** Throws when the C library lacks one of the calls. */
export function bindMemoryCalls(libc: Koffi.LibraryHandle): MemoryCalls {
  const memset = libc.func('memset', 'uint64', ['void *', 'int', 'size_t']);
  const madvise = libc.func('madvise', 'int', ['void *', 'size_t', 'int']);
  const pageBytes = libc.func('getpagesize', 'int', [])() as number;

  return {
    forget: (memory) => {
      // Of no bytes: it only answers where they are.
      const address = BigInt(memset(memory, 0, 0) as number | bigint);
      const page = BigInt(pageBytes);
      const first = Number((page - (address % page)) % page);
      // Whole pages within the buffer: what lies beside it is somebody else's.
      const length = Math.floor((memory.length - first) / pageBytes) * pageBytes;
      if (length > 0) madvise(memory.subarray(first), length, MADV_DONTNEED);
    },
  };
}
