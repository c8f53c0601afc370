import { CorruptError, InvalidError } from './errors';

type FieldKind = 'text' | 'number' | 'text or null' | 'number or null';

const POLICY = {
  retentionKind: 'text or null',
  retentionVersions: 'number or null',
  retentionDays: 'number or null',
  deletedDays: 'number or null',
  keepLast: 'number or null',
  keepHourly: 'number or null',
  keepDaily: 'number or null',
  keepWeekly: 'number or null',
  keepMonthly: 'number or null',
  keepYearly: 'number or null',
} as const;
const LIFE = { createdMs: 'number', deletedMs: 'number or null', purgeAfterMs: 'number or null' } as const;

/** What each kind of record holds, in this order. A row that was deleted stays one, with `deletedMs`: its tombstone. */
const SHAPES = {
  /** A domain counts chunks' ids for its clients: by the number that the database gave it. */
  user: {
    id: 'text',
    username: 'text',
    passwordHash: 'text',
    role: 'text',
    state: 'text',
    sessionEpoch: 'number',
    domain: 'number',
    quotaBytes: 'number or null',
    ...POLICY,
    ...LIFE,
  },
  /** Hashes in hex. */
  token: {
    id: 'text',
    user: 'text',
    name: 'text',
    tokenHash: 'text',
    scopes: 'text',
    createdMs: 'number',
    expiresMs: 'number or null',
    revokedMs: 'number or null',
  },
  client: {
    id: 'text',
    owner: 'text',
    name: 'text',
    secretHash: 'text',
    state: 'text',
    domain: 'number',
    labels: 'text or null',
    preCommands: 'text or null',
    ...POLICY,
    ...LIFE,
  },
  task: {
    id: 'text',
    client: 'text',
    name: 'text',
    origin: 'text or null',
    definition: 'text or null',
    scheduledSinceMs: 'number',
    timeZone: 'text or null',
    ...POLICY,
    ...LIFE,
  },
  pin: {
    id: 'text',
    task: 'text',
    run: 'text',
    holder: 'text',
    note: 'text or null',
    createdMs: 'number',
  },
  /** Settings that must not fall behind, such as the lock window. */
  setting: { name: 'text', value: 'text' },
} as const satisfies Record<string, Readonly<Record<string, FieldKind>>>;

export type ConfigKind = keyof typeof SHAPES;
type FieldOf<K> = K extends 'text'
  ? string
  : K extends 'number'
    ? number
    : K extends 'text or null'
      ? string | null
      : number | null;
type RowOf<K extends ConfigKind> = { readonly [F in keyof (typeof SHAPES)[K]]: FieldOf<(typeof SHAPES)[K][F]> };

export type ConfigRow<K extends ConfigKind> = RowOf<K>;
export type ConfigRecord = { [K in ConfigKind]: { readonly kind: K; readonly row: RowOf<K> } }[ConfigKind];

/** UTF-8 of the JSON array [kind, field, field ...]. Throws InvalidError for a row that is not of its kind's shape. */
export function encodeConfigRecord({ kind, row }: ConfigRecord): Buffer {
  const values = Object.entries(SHAPES[kind]).map(([name, field]) => {
    const value = (row as Readonly<Record<string, unknown>>)[name];
    if (!isOf(value, field)) throw new InvalidError(`the ${name} of a ${kind} is no ${field}`);
    return value;
  });
  return Buffer.from(JSON.stringify([kind, ...values]));
}

/** Throws CorruptError for what {@link encodeConfigRecord} would not write. */
export function decodeConfigRecord(bytes: Buffer, place: string): ConfigRecord {
  const values = parse(bytes, place);
  const [kind, ...fields] = values;
  if (typeof kind !== 'string' || !Object.hasOwn(SHAPES, kind))
    throw new CorruptError(place, 'a record of no known kind');
  const shape = Object.entries(SHAPES[kind as ConfigKind]);
  if (fields.length !== shape.length) throw new CorruptError(place, `a ${kind} of ${fields.length} fields`);
  const row = Object.fromEntries(
    shape.map(([name, field], at) => {
      if (!isOf(fields[at], field)) throw new CorruptError(place, `the ${name} of a ${kind} is no ${field}`);
      return [name, fields[at]];
    }),
  );
  const record = { kind, row } as ConfigRecord;
  if (!encodeConfigRecord(record).equals(bytes))
    throw new CorruptError(place, 'JSON in another form than it is written in');
  return record;
}

function parse(bytes: Buffer, place: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (Array.isArray(value)) return value as unknown[];
  } catch (error) {
    throw new CorruptError(place, 'a record that is no JSON', { cause: error });
  }
  throw new CorruptError(place, 'a record that is no JSON array');
}

function isOf(value: unknown, field: FieldKind): boolean {
  if (value === null) return field.endsWith('or null');
  return field.startsWith('text') ? typeof value === 'string' : Number.isSafeInteger(value);
}
