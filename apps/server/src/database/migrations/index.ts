import { FirstTables1795000000001 } from './1795000000001-first-tables';
import { Retention1795000010001 } from './1795000010001-retention';

/** In order. A released migration never changes. */
export const MIGRATIONS = [FirstTables1795000000001, Retention1795000010001];
