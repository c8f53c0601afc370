import { types, type CustomTypesConfig } from 'pg';

type ParserOf = (oid: number, format?: 'text' | 'binary') => unknown;

const standard = types.getTypeParser as ParserOf;
const BOOL: number = types.builtins.BOOL;
const INT8: number = types.builtins.INT8;
const NUMERIC: number = types.builtins.NUMERIC;

/** For the pool: TypeORM's reads get 64-bit integers as numbers too. */
export const POSTGRES_CONNECTION_TYPES = parsers((oid, format) =>
  oid === INT8 ? parseInteger : standard(oid, format),
);

/** For our own statements: answers look as SQLite's do. Sums of bigint are numeric; truth values are 0 and 1. */
export const POSTGRES_TYPES = parsers((oid, format) => {
  if (oid === INT8) return parseInteger;
  if (oid === NUMERIC) return parseNumeric;
  if (oid === BOOL) return parseTruth;
  return standard(oid, format);
});

function parsers(parserOf: ParserOf): CustomTypesConfig {
  return { getTypeParser: parserOf as typeof types.getTypeParser };
}

function parseInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`the database holds an integer beyond 2^53-1: ${text}`);
  return value;
}

function parseNumeric(text: string): number {
  return /^-?\d+$/.test(text) ? parseInteger(text) : Number(text);
}

function parseTruth(text: string): number {
  return text === 't' ? 1 : 0;
}
