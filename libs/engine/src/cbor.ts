/**
 * The part of CBOR that records use, in the deterministic form of RFC 8949 section 4.2.1: shortest heads, definite
 * lengths; no floats, no tags, no `undefined`. One value has one encoding, so bytes can be compared instead of values.
 */
export const Major = { uint: 0x00, negative: 0x20, bytes: 0x40, text: 0x60, array: 0x80, map: 0xa0 } as const;
export const TRUE = 0xf5;
export const NULL = 0xf6;

/** 2^32: a head of 8 bytes is read and written in two halves, as numbers while they stay below 2^53. */
export const U32 = 0x1_0000_0000;

/** The 8 bytes of one integer: DataView's BigInt access is compiled without allocation, and one view serves all. */
export const word = new DataView(new ArrayBuffer(8));
