/** The address of a list with what was chosen of it: links to the same list, sorted, filtered or paged otherwise, are made from it. */
export class ListAddress {
  constructor(
    private readonly path: string,
    private readonly chosen: Readonly<Record<string, string | undefined>>,
  ) {}

  /** The same list with these choices; undefined takes one back. */
  with(changes: Readonly<Record<string, string | undefined>>): string {
    const pairs = Object.entries({ ...this.chosen, ...changes }).flatMap(([name, value]): [string, string][] =>
      value === undefined || value === '' ? [] : [[name, value]],
    );
    const query = new URLSearchParams(pairs).toString();
    return query === '' ? this.path : `${this.path}?${query}`;
  }
}

/** A text of an address's query; empty for what is none. */
export function queryText(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 500) : '';
}

/** The number of a page in an address, from 1. */
export function queryPage(value: unknown): number {
  const number = /^\d{1,6}$/.test(queryText(value)) ? Number(value) : 1;
  return Math.max(1, number);
}

/** In an address: the number before which a list goes on; null for none. */
export function queryPlace(value: unknown): number | null {
  return /^\d{1,15}$/.test(queryText(value)) ? Number(value) : null;
}

export interface Pager {
  /** `51-100 of 5,000` */
  readonly words: string;
  readonly previous: string | null;
  readonly next: string | null;
}

/** Pure: one page of a list that is there as a whole, and the links around it. A page beyond the last is the last. */
export function pageOf<T>(
  items: readonly T[],
  { page, size, address }: { page: number; size: number; address: ListAddress },
): { shown: T[]; pager: Pager | null } {
  const at = Math.min(page, Math.max(1, Math.ceil(items.length / size)));
  const shown = items.slice((at - 1) * size, at * size);
  return { shown, pager: pagerOf({ count: items.length, page: at, size, address }) };
}

/** Pure: the links around a page that is there; null for the only one. */
export function pagerOf({
  count,
  page,
  size,
  address,
}: {
  count: number;
  page: number;
  size: number;
  address: ListAddress;
}): Pager | null {
  const pages = Math.ceil(count / size);
  if (pages <= 1) return null;
  const link = (to: number): string => address.with({ page: to === 1 ? undefined : String(to) });
  const text = (number: number): string => number.toLocaleString('en-GB');
  return {
    words: `${text((page - 1) * size + 1)}-${text(Math.min(count, page * size))} of ${text(count)}`,
    previous: page > 1 ? link(page - 1) : null,
    next: page < pages ? link(page + 1) : null,
  };
}

export interface ColumnHead {
  readonly label: string;
  /** `number`: to the right. */
  readonly kind: 'text' | 'number';
  /** Null: the list cannot be sorted by it. */
  readonly href: string | null;
  /** For `aria-sort`. */
  readonly sort: 'ascending' | 'descending' | null;
  /** Drawn beside the label. */
  readonly arrow: string;
}

/** An order of a list: by a column, upwards or downwards. In addresses `name` or `-name`. */
export interface Order<Column extends string> {
  readonly by: Column;
  readonly isDown: boolean;
}

export function parseOrder<Column extends string>(
  text: string,
  columns: readonly Column[],
  usual: Order<Column>,
): Order<Column> {
  const by = columns.find((column) => column === text.replace(/^-/, ''));
  return by === undefined ? usual : { by, isDown: text.startsWith('-') };
}

/** Pure: the head of a column, which sorts by it, and the other way round when it does already. */
export function columnHead<Column extends string>(
  column: { readonly key: Column | null; readonly label: string; readonly kind?: 'text' | 'number' },
  order: Order<Column>,
  address: ListAddress,
): ColumnHead {
  const { key, label, kind = 'text' } = column;
  if (key === null) return { label, kind, href: null, sort: null, arrow: '' };
  const isCurrent = order.by === key;
  const isDown = isCurrent ? !order.isDown : kind === 'number';
  return {
    label,
    kind,
    href: address.with({ sort: isDown ? `-${key}` : key, page: undefined }),
    sort: isCurrent ? (order.isDown ? 'descending' : 'ascending') : null,
    arrow: isCurrent ? (order.isDown ? ' ↓' : ' ↑') : '',
  };
}
