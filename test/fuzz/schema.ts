import type { Random } from '../support/chaos/random.ts';
import type { Feature } from './features.ts';
import type { Column, Key, Member, Split, Table } from './script.ts';
import { keyTypes, needOf, type TypeChoice, typesFor } from './values.ts';

/** A table, and what its columns may hold. */
export interface Made {
  readonly table: Table;
  /** Of every column that can be written, those of the table it inherits from too. */
  readonly choices: ReadonlyMap<string, TypeChoice>;
  readonly required: ReadonlySet<string>;
  /** The columns of its first key, which finds rows; empty without one. */
  readonly key: readonly string[];
}

export interface Making {
  readonly random: Random;
  readonly major: number;
  readonly on: (feature: Feature) => boolean;
}

const common: readonly string[] = [
  'integer',
  'bigint',
  'text',
  'numeric',
  'timestamptz',
  'jsonb',
  'boolean',
  'bytea',
  'integer[]',
  'double precision',
  'date',
];
const smallInts: TypeChoice = { type: 'integer', values: ['1', '2', '3', '4', '5', '6', '7', '8', '-3', '0'] };
const regions: TypeChoice = { type: 'text', values: ['a', 'b', 'c', ''] };
const oddNames = ['Tä ble', 'select', 't"q', "it's", 'a.b', '{x}', 'T$1'];
const oddColumns = ['Id', 'order', 'c"d', 'é', 'a b', "q'q", '$1'];
const common63 = 'n'.repeat(63);

export function makeTables(making: Making, size: number): readonly Made[] {
  const { random } = making;
  const count = random.weighted([
    [1, 1],
    [2, 3],
    [3, 5],
    [2, 9],
  ] as const);
  const made: Made[] = [];
  for (let i = 1; i <= count * size; i++) made.push(makeTable(making, i, made));
  return made;
}

/** What the tables need beside themselves. */
export const needsOf = (tables: readonly Made[]): readonly string[] => [
  ...new Set(
    tables
      .flatMap(({ table }) => table.columns)
      .flatMap(({ type, collation }) => [...needOf(type), ...(collation === 'nocase' ? ['nocase'] : [])]),
  ),
];

function makeTable(making: Making, number: number, before: readonly Made[]): Made {
  const { random, on } = making;
  const odd = random.chance(0.12);
  const schema = random.weighted([
    [8, 'public'],
    [1, 'app'],
    [1, 'Odd "S'],
  ] as const);
  const name = odd
    ? `${random.pick(oddNames)}${number}`
    : random.chance(0.02)
      ? `${common63.slice(2)}_${number}`.slice(0, 63)
      : `t${number}`;
  if (on('trees') && random.chance(0.2)) return makeTree(making, { number, schema, name });
  const parent = before.find(
    ({ table }) => table.split === undefined && table.inherits === undefined && table.schema === schema,
  );
  if (on('inherit') && parent !== undefined && random.chance(0.15))
    return makeChild(making, { number, schema, name }, parent);
  return makePlain(making, { number, schema, name }, before);
}

interface Naming {
  readonly number: number;
  readonly schema: string;
  readonly name: string;
}

interface Draft {
  readonly columns: Column[];
  readonly choices: Map<string, TypeChoice>;
}

function makePlain(making: Making, naming: Naming, before: readonly Made[]): Made {
  const { random, on } = making;
  const draft: Draft = { columns: [], choices: new Map() };
  const keys = makeKeys(making, draft, naming);
  addColumns(making, draft, random.int(keys.length > 0 ? 0 : 1, 6));
  const identity = identityOf(making, keys);
  decorate(making, draft, identity);
  const references = on('constraints') && random.chance(0.3) ? reference(making, draft, before) : undefined;
  const first = keys[0];
  return {
    table: {
      id: `t${naming.number}`,
      schema: naming.schema,
      name: naming.name,
      columns: random.chance(0.3) ? shuffled(random, draft.columns) : draft.columns,
      keys,
      identity,
      checks: on('constraints') && random.chance(0.2) ? ['1 = 1'] : [],
      indexes: on('constraints') ? indexes(making, draft) : [],
      ...(references === undefined ? {} : { references }),
    },
    choices: draft.choices,
    required: new Set(draft.columns.filter(({ notNull }) => notNull).map((column) => column.name)),
    key: first?.columns ?? [],
  };
}

/** The first key is what finds a row. Adds its columns. */
function makeKeys(making: Making, draft: Draft, { number }: Naming): Key[] {
  const { random, on } = making;
  const width = random.weighted([
    [on('full') ? 2 : 0, 0],
    [7, 1],
    [on('keys') ? 2 : 0, 2],
    [on('keys') ? 0.5 : 0, 3],
  ] as const);
  const keys: Key[] = [];
  if (width > 0) {
    const columns = Array.from({ length: width }, (_, i) => addKeyColumn(making, draft, i, width));
    const kind = on('keys') && random.chance(0.2) ? 'UNIQUE' : 'PRIMARY KEY';
    const deferrable = on('deferrable') && random.chance(0.3) ? later(random) : null;
    keys.push({ name: `key_${number}`, kind, columns, ...(deferrable === null ? {} : { deferrable }) });
  }
  if (on('keys') && random.chance(0.2)) {
    const name = 'second';
    draft.columns.push({ name, type: 'integer', ...(random.chance(0.5) ? { notNull: true } : {}) });
    draft.choices.set(name, smallInts);
    const deferrable = on('deferrable') && random.chance(0.3) ? later(random) : null;
    keys.push({
      name: `second_${number}`,
      kind: 'UNIQUE',
      columns: [name],
      ...(deferrable === null ? {} : { deferrable }),
    });
  }
  return keys.map((key) => (on('keys') && random.chance(0.1) ? included(draft, key) : key));
}

const later = (random: Random) =>
  random.pick(['DEFERRABLE INITIALLY IMMEDIATE', 'DEFERRABLE INITIALLY DEFERRED'] as const);

function included(draft: Draft, key: Key): Key {
  const name = 'inc';
  if (draft.choices.has(name)) return key;
  draft.columns.push({ name, type: 'integer' });
  draft.choices.set(name, smallInts);
  return { ...key, include: [name] };
}

function addKeyColumn(making: Making, draft: Draft, i: number, width: number): string {
  const { random, on } = making;
  const usable = keyTypes.filter(({ type }) => on('types') || common.includes(type));
  const exotic = on('keys') && random.chance(0.5);
  const choice = exotic ? random.pick(usable) : smallInts;
  const name = width === 1 ? (random.chance(0.1) ? random.pick(oddColumns) : 'id') : `k${i}`;
  const textual = ['text', 'varchar(12)', 'char(4)'].includes(choice.type);
  const collation =
    textual && on('collations') && random.chance(0.5)
      ? random.pick(['C', 'POSIX', 'und-x-icu', 'nocase', 'nocase'])
      : undefined;
  const counted = choice === smallInts && width === 1 && on('identity');
  const identity = counted && random.chance(0.25) ? random.pick(['ALWAYS', 'BY DEFAULT'] as const) : undefined;
  draft.columns.push({
    name,
    type: choice.type,
    notNull: true,
    ...(collation === undefined ? {} : { collation }),
    ...(identity === undefined ? {} : { identity }),
  });
  draft.choices.set(name, choice);
  return name;
}

function addColumns({ random, major, on }: Making, draft: Draft, count: number): void {
  const all = typesFor(major);
  const usual = all.filter(({ type }) => common.includes(type));
  for (let i = 1; i <= count; i++) {
    const choice = random.pick(on('types') && random.chance(0.5) ? all : usual);
    const name = random.chance(0.06) ? `${random.pick(oddColumns)}${i}` : `c${i}`;
    const filled = random.chance(0.1) && choice.values.length > 0;
    draft.columns.push({
      name,
      type: choice.type,
      ...(filled ? { notNull: true } : {}),
      ...(on('toast') && ['text', 'bytea', 'jsonb'].includes(choice.type) && random.chance(0.5)
        ? { external: true }
        : {}),
    });
    draft.choices.set(name, choice);
  }
}

/** Deferrable keys, and keys of columns that may be NULL, identify no row. */
function identityOf({ random, on }: Making, keys: readonly Key[]): string {
  const usable = keys.filter(
    ({ deferrable, kind, columns }) => deferrable === undefined && (kind === 'PRIMARY KEY' || columns[0] !== 'second'),
  );
  if (on('full') && random.chance(usable.length === 0 ? 1 : 0.15)) return 'FULL';
  const primary = usable.find(({ kind }) => kind === 'PRIMARY KEY');
  if (primary !== undefined && random.chance(0.8)) return 'DEFAULT';
  return usable.length > 0 ? random.pick(usable).name : 'FULL';
}

/** A virtual column may not read user-defined types. */
const builtIn: ReadonlySet<string> = new Set([
  'integer',
  'bigint',
  'numeric',
  'text',
  'boolean',
  'date',
  'jsonb',
  'uuid',
]);

/** Generated and dropped columns, at any place. */
function decorate({ random, major, on }: Making, draft: Draft, identity: string): void {
  const generatedMay = on('generated') && (identity !== 'FULL' || on('generated_full'));
  if (generatedMay && random.chance(0.2)) {
    const base = random.pick(draft.columns);
    const quoted = `"${base.name.replaceAll('"', '""')}"`;
    const as =
      base.type === 'text'
        ? `length(${quoted})`
        : base.type === 'integer'
          ? `${quoted}::int8 * 2`
          : `(${quoted} IS NULL)`;
    const type = base.type === 'text' ? 'integer' : base.type === 'integer' ? 'bigint' : 'boolean';
    // A virtual one cannot be published, so no write could be told by all columns: refused, which is right.
    const may = identity !== 'FULL' && builtIn.has(base.type.replace('[]', ''));
    const kind = major >= 18 && random.chance(0.5) && may ? 'VIRTUAL' : 'STORED';
    draft.columns.splice(random.int(0, draft.columns.length), 0, { name: 'gen', type, generated: { as, kind } });
  }
  if (on('dropped') && random.chance(0.25))
    draft.columns.splice(random.int(0, draft.columns.length), 0, {
      name: 'gone',
      type: random.pick(['integer', 'text']),
      dropped: true,
    });
  if (on('identity') && random.chance(0.08)) {
    draft.columns.push({ name: 'n', type: 'serial' });
    draft.choices.set('n', smallInts);
  }
}

function reference({ random }: Making, draft: Draft, before: readonly Made[]) {
  const to = before.find(
    ({ table, key }) =>
      key.length === 1 &&
      table.split === undefined &&
      table.keys[0]?.deferrable === undefined &&
      table.columns.find(({ name }) => name === key[0])?.type === 'integer',
  );
  if (to === undefined) return undefined;
  draft.columns.push({ name: 'ref', type: 'integer' });
  draft.choices.set('ref', to.choices.get(to.key[0]!)!);
  const more = random.pick([
    'ON DELETE CASCADE ON UPDATE CASCADE',
    'ON DELETE SET NULL',
    'DEFERRABLE INITIALLY DEFERRED',
    '',
  ]);
  return { column: 'ref', table: to.table.id, to: to.key[0]!, more };
}

function indexes({ random }: Making, draft: Draft): readonly string[] {
  const plain = draft.columns.filter(
    ({ type, generated, dropped }) =>
      ['integer', 'numeric', 'boolean', 'timestamptz'].includes(type) && generated === undefined && dropped !== true,
  );
  if (plain.length === 0 || !random.chance(0.3)) return [];
  const name = `"${random.pick(plain).name.replaceAll('"', '""')}"`;
  return [
    random.pick([
      `CREATE INDEX ON % (${name})`,
      `CREATE INDEX ON % (${name} DESC) WHERE ${name} IS NOT NULL`,
      `CREATE INDEX ON % ((${name} IS NULL))`,
    ]),
  ];
}

function makeTree(making: Making, { number, schema, name }: Naming): Made {
  const { random } = making;
  const draft: Draft = { columns: [], choices: new Map() };
  const put = (column: string, choice: TypeChoice) => {
    draft.columns.push({ name: column, type: choice.type, notNull: true });
    draft.choices.set(column, choice);
  };
  put('id', smallInts);
  const listed = random.chance(0.6);
  if (listed) put('region', regions);
  addColumns(making, draft, random.int(0, 4));
  if (making.on('dropped') && random.chance(0.3))
    draft.columns.splice(random.int(0, draft.columns.length), 0, { name: 'gone', type: 'integer', dropped: true });
  const keyed = !making.on('full') || random.chance(0.85);
  const key = listed ? ['id', 'region'] : ['id'];
  return {
    table: {
      id: `t${number}`,
      schema,
      name,
      columns: draft.columns,
      keys: keyed ? [{ name: `key_${number}`, kind: 'PRIMARY KEY', columns: key }] : [],
      identity: keyed && random.chance(0.9) ? 'DEFAULT' : making.on('full') || !keyed ? 'FULL' : 'DEFAULT',
      checks: [],
      indexes: random.chance(0.3) ? ['CREATE INDEX ON % (id)'] : [],
      split: splitOf(random, `p${number}`, listed, 2),
    },
    choices: draft.choices,
    required: new Set(['id', 'region']),
    key: keyed ? key : [],
  };
}

function splitOf(random: Random, prefix: string, listed: boolean, depth: number): Split {
  const by = random.pick(listed ? (['LIST', 'RANGE', 'HASH'] as const) : (['RANGE', 'HASH'] as const));
  const bounds: Record<Split['by'], readonly string[]> = {
    LIST: ["FOR VALUES IN ('a')", "FOR VALUES IN ('b', '')", 'DEFAULT'],
    RANGE: [
      'FOR VALUES FROM (MINVALUE) TO (2)',
      'FOR VALUES FROM (2) TO (5)',
      random.pick(['DEFAULT', 'FOR VALUES FROM (5) TO (MAXVALUE)']),
    ],
    HASH: ['FOR VALUES WITH (MODULUS 2, REMAINDER 0)', 'FOR VALUES WITH (MODULUS 2, REMAINDER 1)'],
  };
  const members = bounds[by].map((bound, i): Member => {
    const name = `${prefix}_${i}`;
    if (depth > 1 && random.chance(0.2))
      return { name, bound, split: splitOf(random, name, listed && by !== 'LIST', depth - 1) };
    return random.chance(0.25) ? { name, bound, attached: true } : { name, bound };
  });
  return { by, column: by === 'LIST' ? 'region' : 'id', members };
}

function makeChild(making: Making, { number, schema, name }: Naming, parent: Made): Made {
  const draft: Draft = { columns: [], choices: new Map() };
  draft.columns.push({ name: `own${number}`, type: 'integer' });
  draft.choices.set(`own${number}`, smallInts);
  const keyed = parent.key.length > 0;
  const virtual = parent.table.columns.some(({ generated }) => generated?.kind === 'VIRTUAL');
  const full = !keyed || (making.on('full') && making.random.chance(0.2) && !virtual);
  return {
    table: {
      id: `t${number}`,
      schema,
      name,
      columns: draft.columns,
      keys: keyed ? [{ name: `key_${number}`, kind: 'PRIMARY KEY', columns: parent.key }] : [],
      identity: full ? 'FULL' : 'DEFAULT',
      checks: [],
      indexes: [],
      inherits: parent.table.id,
    },
    choices: new Map([...parent.choices, ...draft.choices]),
    required: parent.required,
    key: parent.key,
  };
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map((item) => [random.next(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}
