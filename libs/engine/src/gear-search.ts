import { gearSearchModule } from './gear-search-module';

/** The hash of a place depends on the bytes before it, this many. */
const WINDOW_BYTES = 32;

/** Where the bytes that are searched begin in the module's memory: behind the table of 256 numbers. */
const BYTES_AT = 256 * 4;
/** Bytes searched in one call: they are copied into the module's memory, and stay in the processor's cache. */
const SLICE_BYTES = 256 * 1024;
const PAGE_BYTES = 64 * 1024;

interface Machine {
  readonly memory: Uint8Array;
  /** See {@link gearSearchModule}. */
  readonly search: (at: number, end: number, mask: number, tested: number) => number;
}

/** What of the global is used: our library of types has no web in it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => {
    readonly exports: { readonly memory: { readonly buffer: ArrayBuffer }; readonly search: Machine['search'] };
  };
};

/**
 * Looks for cuts with a rolling gear hash: hash(i) = (hash(i-1) << 1) + GEAR[byte i], modulo 2^32. In WebAssembly, whose additions
 * and table look-ups need no checks (measured: 60 % of the time that the same loop takes in JavaScript, its copy included).
 */
export class GearSearch {
  private machine: Machine | null = null;

  /** `gear`: 256 signed 32-bit numbers. */
  constructor(private readonly gear: Int32Array) {}

  /**
   * The end of the first byte in [from, to) whose hash, of it and the 31 bytes before, has no bit of the mask; -1 when there is
   * none. There are at least WINDOW_BYTES before `from`.
   */
  find(bytes: Uint8Array, from: number, to: number, mask: number): number {
    const { memory, search } = (this.machine ??= this.load());
    for (let at = from; at < to; at += SLICE_BYTES) {
      const end = Math.min(at + SLICE_BYTES, to);
      memory.set(bytes.subarray(at - WINDOW_BYTES, end), BYTES_AT);
      const tested = BYTES_AT + WINDOW_BYTES;
      const cut = search(BYTES_AT, tested + end - at, mask, tested);
      if (cut !== 0) return at + cut - tested;
    }
    return -1;
  }

  private load(): Machine {
    const pages = Math.ceil((BYTES_AT + WINDOW_BYTES + SLICE_BYTES) / PAGE_BYTES);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(gearSearchModule(pages)));
    const { buffer } = exports.memory;
    new Int32Array(buffer, 0, this.gear.length).set(this.gear);
    return { memory: new Uint8Array(buffer), search: exports.search };
  }
}
