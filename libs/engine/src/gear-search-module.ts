/** Bytes tested in one turn of the loop. */
const UNROLLED = 8;

/** Locals; the first four are the parameters. */
const AT = 0;
const END = 1;
const MASK = 2;
const TESTED = 3;
const HASH = 4;

/** Value types, sections and the opcodes in use: WebAssembly Core Specification 1.0, "Binary Format". */
const I32 = 0x7f;
const FUNCTION_TYPE = 0x60;
const NO_RESULT = 0x40;
const SECTION = { type: 1, function: 3, memory: 5, export: 7, code: 10 };
const EXPORTED = { function: 0, memory: 2 };
const BLOCK = [0x02, NO_RESULT];
const LOOP = [0x03, NO_RESULT];
const IF = [0x04, NO_RESULT];
const END_OF_BLOCK = [0x0b];
const RETURN = [0x0f];
const IS_ZERO = [0x45];
const IS_LESS = [0x49];
const IS_GREATER = [0x4b];
const IS_NOT_LESS = [0x4f];
const ADD = [0x6a];
const AND = [0x71];
const SHIFT_LEFT = [0x74];
const LOAD_INT = [0x28, 2, 0];

const repeat = (depth: number): number[] => [0x0c, depth];
const leaveIf = (depth: number): number[] => [0x0d, depth];
const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const keep = (local: number): number[] => [0x22, local];
/** Of 0 to 63: one byte. */
const number = (value: number): number[] => [0x41, value];
const loadByte = (offset: number): number[] => [0x2d, 0, offset];

/**
 * A WebAssembly module with `memory` (the gear table at 0, bytes behind it) and `search(at, end, mask, tested)`, offsets in it: rolls
 * over [at, tested), then tests after each byte up to `end`; the offset behind the first byte whose hash has no bit of the mask, or 0.
 */
export function gearSearchModule(pages: number): Uint8Array {
  const body = [...list([[1, I32]]), ...search()];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(SECTION.type, list([[FUNCTION_TYPE, ...list([[I32], [I32], [I32], [I32]]), ...list([[I32]])]])),
    ...section(SECTION.function, list([[0]])),
    ...section(SECTION.memory, list([[0, ...unsigned(pages)]])),
    ...section(
      SECTION.export,
      list([
        [...text('memory'), EXPORTED.memory, 0],
        [...text('search'), EXPORTED.function, 0],
      ]),
    ),
    ...section(SECTION.code, list([[...unsigned(body.length), ...body]])),
  ]);
}

function search(): number[] {
  const warmUp = [...roll(0), ...set(HASH), ...advance(1), ...get(AT), ...get(TESTED), ...IS_LESS, ...leaveIf(0)];
  const many = [
    ...[...get(AT), ...number(UNROLLED), ...ADD, ...get(END), ...IS_GREATER, ...leaveIf(1)],
    ...Array.from({ length: UNROLLED }, (_, offset) => test(offset)).flat(),
    ...[...advance(UNROLLED), ...repeat(0)],
  ];
  const few = [...get(AT), ...get(END), ...IS_NOT_LESS, ...leaveIf(1), ...test(0), ...advance(1), ...repeat(0)];
  return [
    ...[...LOOP, ...warmUp, ...END_OF_BLOCK],
    ...[...BLOCK, ...LOOP, ...many, ...END_OF_BLOCK, ...END_OF_BLOCK],
    ...[...BLOCK, ...LOOP, ...few, ...END_OF_BLOCK, ...END_OF_BLOCK],
    ...[...number(0), ...END_OF_BLOCK],
  ];
}

/** The hash with the byte at AT + offset in it, on the stack. */
function roll(offset: number): number[] {
  const shifted = [...get(HASH), ...number(1), ...SHIFT_LEFT];
  const gear = [...get(AT), ...loadByte(offset), ...number(2), ...SHIFT_LEFT, ...LOAD_INT];
  return [...shifted, ...gear, ...ADD];
}

function test(offset: number): number[] {
  const isCut = [...roll(offset), ...keep(HASH), ...get(MASK), ...AND, ...IS_ZERO];
  return [...isCut, ...IF, ...get(AT), ...number(offset + 1), ...ADD, ...RETURN, ...END_OF_BLOCK];
}

function advance(count: number): number[] {
  return [...get(AT), ...number(count), ...ADD, ...set(AT)];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function list(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function text(name: string): number[] {
  return [...unsigned(name.length), ...Buffer.from(name, 'latin1')];
}

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}
