import { EntitySchema, type EntitySchemaColumnOptions } from 'typeorm';
import { columnType, isGenerated, type ColumnKind } from '../dialect';
import type { Dialect } from '../sql';

export interface ColumnSpec {
  readonly kind: ColumnKind;
  readonly isPrimary?: true;
  readonly isNullable?: true;
  readonly default?: number;
}

interface IndexSpec<Row> {
  readonly name: string;
  readonly columns: readonly (keyof Row & string)[];
  readonly isUnique?: true;
  /** Condition of a partial index, in the words that PostgreSQL gives back. */
  readonly where?: string;
  /** An index over an expression, which TypeORM cannot describe: left alone by its schema builder. */
  readonly isExpression?: true;
}

/** One table, said once for both dialects. Properties are the columns' names: a row of SQL and of TypeORM are the same. */
export interface TableSpec<Row> {
  readonly target: new () => Row;
  readonly name: string;
  readonly columns: Readonly<Record<keyof Row & string, ColumnSpec>>;
  readonly indices?: readonly IndexSpec<Row>[];
  /** SQLite: rows lie in the primary key's tree itself, in its order. */
  readonly isClustered?: true;
}

export function entityOf<Row extends object>(spec: TableSpec<Row>, dialect: Dialect): EntitySchema<Row> {
  const columns: Record<string, EntitySchemaColumnOptions> = {};
  for (const [name, column] of Object.entries<ColumnSpec>(spec.columns)) {
    columns[name] = {
      type: columnType(dialect, column.kind),
      nullable: column.isNullable ?? false,
      ...(column.isPrimary ? { primary: true, primaryKeyConstraintName: `${spec.name}_pkey` } : {}),
      ...(isGenerated(column.kind) ? { generated: 'increment' as const } : {}),
      ...(column.default === undefined ? {} : { default: column.default }),
    };
  }
  const options = {
    name: spec.target.name,
    target: spec.target,
    tableName: spec.name,
    columns,
    withoutRowid: spec.isClustered ?? false,
    indices: (spec.indices ?? []).map((index) => ({
      name: index.name,
      columns: [...index.columns],
      unique: index.isUnique ?? false,
      ...(index.where === undefined ? {} : { where: index.where }),
      ...(index.isExpression ? { synchronize: false } : {}),
    })),
  };
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- TypeORM's class of options is a plain shape
  return new EntitySchema<Row>(options);
}

export const smallKey: ColumnSpec = { kind: 'small-key', isPrimary: true };
export const key: ColumnSpec = { kind: 'key', isPrimary: true };
export const flag: ColumnSpec = { kind: 'flag' };
export const int: ColumnSpec = { kind: 'int' };
export const bigint: ColumnSpec = { kind: 'bigint' };
export const text: ColumnSpec = { kind: 'text' };
export const bytes: ColumnSpec = { kind: 'bytes' };

export function primary(column: ColumnSpec): ColumnSpec {
  return { ...column, isPrimary: true };
}

export function nullable(column: ColumnSpec): ColumnSpec {
  return { ...column, isNullable: true };
}

export function withDefault(column: ColumnSpec, value: number): ColumnSpec {
  return { ...column, default: value };
}
