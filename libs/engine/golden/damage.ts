import { CorruptError, UnsupportedError } from '../src/errors';

/** Every version of the bytes with one bit flipped. */
export function* flips(bytes: Buffer): Generator<{ damaged: Buffer; at: number }> {
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
      yield { damaged, at };
    }
  }
}

/** Every proper beginning of the bytes. */
export function* cuts(bytes: Buffer): Generator<Buffer> {
  for (let length = 0; length < bytes.length; length++) yield bytes.subarray(0, length);
}

/** Every form of canonical CBOR that says the same, or nearly, in a way that the deterministic encoding forbids. */
export function* otherForms(cbor: Buffer): Generator<{ form: string; bytes: Buffer }> {
  for (const { start, headEnd, end, major, value } of items(cbor)) {
    const before = cbor.subarray(0, start);
    const rest = cbor.subarray(headEnd);
    const at = `at ${start}`;
    const width = headEnd - start - 1;
    for (const wider of [1, 2, 4, 8].filter((w) => w > width && major !== 7)) {
      const head = Buffer.alloc(1 + wider);
      head[0] = (major << 5) | (24 + Math.log2(wider));
      for (let i = 0, left = value; i < wider; i++, left >>= 8n) head[wider - i] = Number(left & 0xffn);
      yield { form: `length of ${wider} bytes ${at}`, bytes: Buffer.concat([before, head, rest]) };
    }
    if (major >= 2 && major <= 5) {
      const open = Buffer.of((major << 5) | 31);
      // Of strings the indefinite form holds definite strings, of arrays and maps their items.
      const body = cbor.subarray(major <= 3 ? start : headEnd, end);
      const indefinite = Buffer.concat([before, open, body, Buffer.of(0xff), cbor.subarray(end)]);
      yield { form: `indefinite ${at}`, bytes: indefinite };
    }
    const whole = cbor.subarray(start);
    yield { form: `tag ${at}`, bytes: Buffer.concat([before, Buffer.of(0xc0), whole]) };
    for (const simple of [0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xe0]) {
      const changed = Buffer.concat([before, Buffer.of(simple), cbor.subarray(end)]);
      if (!changed.equals(cbor)) yield { form: `simple value ${simple} ${at}`, bytes: changed };
    }
    const half = Buffer.of(0xf9, 0x3c, 0x00);
    yield { form: `float ${at}`, bytes: Buffer.concat([before, half, cbor.subarray(end)]) };
    const wrongMajor = Buffer.from(cbor);
    wrongMajor[start] = cbor.readUInt8(start) ^ 0x80;
    yield { form: `other type ${at}`, bytes: wrongMajor };
  }
  yield { form: 'a byte after the end', bytes: Buffer.concat([cbor, Buffer.of(0)]) };
}

/** The damage that reading reports; null when it reports none. Errors of other kinds are thrown on. */
export function damageOf(read: () => unknown): CorruptError | UnsupportedError | null {
  try {
    read();
    return null;
  } catch (error) {
    return asDamage(error);
  }
}

export async function damageOfAsync(read: () => Promise<unknown>): Promise<CorruptError | UnsupportedError | null> {
  try {
    await read();
    return null;
  } catch (error) {
    return asDamage(error);
  }
}

function asDamage(error: unknown): CorruptError | UnsupportedError {
  if (error instanceof CorruptError || error instanceof UnsupportedError) return error;
  throw error;
}

/** The bytes in pieces of the given length. */
export async function* inPieces(bytes: Buffer, length = 16_384): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield await Promise.resolve(bytes.subarray(at, at + length));
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

interface Item {
  start: number;
  headEnd: number;
  end: number;
  major: number;
  value: bigint;
}

/** All data items of one CBOR item, nested ones too. Independent of the reader under test. */
function items(cbor: Buffer): Item[] {
  const found: Item[] = [];
  const walk = (start: number): number => {
    const first = cbor.readUInt8(start);
    const major = first >> 5;
    const short = first & 31;
    const width = short < 24 ? 0 : 1 << (short - 24);
    const headEnd = start + 1 + width;
    const value = width === 0 ? BigInt(short) : BigInt(`0x${cbor.toString('hex', start + 1, headEnd)}`);
    const item = { start, headEnd, end: headEnd, major, value };
    found.push(item);
    if (major === 2 || major === 3) item.end += Number(value);
    const nested = major === 4 ? Number(value) : major === 5 ? 2 * Number(value) : 0;
    for (let i = 0; i < nested; i++) item.end = walk(item.end);
    return item.end;
  };
  walk(0);
  return found;
}
