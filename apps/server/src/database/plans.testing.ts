import { columnArrays, inputHeadPostgres, inputHeadSqlite, inputJson } from './dialect';
import type { InputRows, Sql, Value } from './sql';

/** An Sql that notes the plan of each statement before it runs it. Inserts of rows are not explained. */
export function explaining(sql: Sql, plans: string[]): Sql {
  const explain = async (text: string, params: readonly unknown[]): Promise<void> => {
    const rows = await sql.all<Record<string, unknown>>(
      `${sql.dialect === 'sqlite' ? 'explain query plan' : 'explain'} ${text}`,
      // The driver sends arrays as arrays; Value does not say so.
      params as readonly Value[],
    );
    plans.push(rows.map((row) => String(row.detail ?? row['QUERY PLAN'])).join('\n'));
  };
  return new Proxy(sql, {
    get: (target, name) => {
      if (name === 'all' || name === 'get' || name === 'run') {
        return async (text: string, params: readonly Value[] = []) => {
          await explain(text, params);
          return target[name](text, params);
        };
      }
      if (name === 'allWith' || name === 'runWith') {
        return async (input: InputRows, text: string, params: readonly Value[] = []) => {
          await explain(...headed(sql, input, text, params));
          return target[name](input, text, params);
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}

function headed(sql: Sql, input: InputRows, text: string, params: readonly Value[]): [string, unknown[]] {
  return sql.dialect === 'sqlite'
    ? [inputHeadSqlite(input.columns) + text, [inputJson(input), ...params]]
    : [inputHeadPostgres(input.columns) + text, [...columnArrays(input.columns, input.rows), ...params]];
}
