import { Table, type TableColumnOptions, type TableIndexOptions } from 'typeorm';
import { columnType, isGenerated, type ColumnKind } from '../dialect';
import type { Dialect } from '../sql';

/** A column as a migration writes it: `name kind [null] [default n]`. */
type ColumnText =
  `${string} ${ColumnKind}` | `${string} ${ColumnKind} null` | `${string} ${ColumnKind} default ${number}`;

export interface NewTable {
  name: string;
  primary: string[];
  columns: ColumnText[];
  indices?: TableIndexOptions[];
  isClustered?: true;
}

/** A table for `QueryRunner.createTable`, in the dialect's types. */
export function newTable(dialect: Dialect, table: NewTable): Table {
  return new Table({
    name: table.name,
    columns: table.columns.map((text) => newColumn(dialect, table, text)),
    indices: table.indices ?? [],
    withoutRowid: dialect === 'sqlite' && table.isClustered === true,
  });
}

function newColumn(dialect: Dialect, table: NewTable, text: ColumnText): TableColumnOptions {
  const [name, kind, option, value] = text.split(' ') as [string, ColumnKind, string?, string?];
  return {
    name,
    type: columnType(dialect, kind),
    isNullable: option === 'null',
    ...(option === 'default' && value !== undefined ? { default: value } : {}),
    ...(table.primary.includes(name) ? { isPrimary: true, primaryKeyConstraintName: `${table.name}_pkey` } : {}),
    ...(isGenerated(kind) ? { isGenerated: true, generationStrategy: 'increment' as const } : {}),
  };
}
