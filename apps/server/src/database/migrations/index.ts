import { FirstTables1795000000001 } from './1795000000001-first-tables';

/** In order. A released migration never changes. */
export const MIGRATIONS = [FirstTables1795000000001];
