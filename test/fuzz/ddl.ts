import type { Random } from '../support/chaos/random.ts';
import { ident } from './print.ts';
import type { Made } from './schema.ts';
import type { Statement } from './script.ts';
import { type TypeChoice, typesFor } from './values.ts';

/** Columns as DDL leaves them; the statements that follow are made for these. */
export interface Altered {
  readonly statement: Statement;
  readonly made: Made;
}

interface Ground {
  readonly random: Random;
  readonly major: number;
  /** A number that no name has yet. */
  readonly fresh: number;
}

/** One change of a table that `ddl: follow` follows; null: this table has nothing to change. */
export function alter(made: Made, ground: Ground): Altered | null {
  const make = ground.random.pick([add, add, dropColumn, renameColumn, retype, nullability, replace, swap]);
  return make(made, ground);
}

const free = ({ table, choices, key, required }: Made): readonly string[] => {
  const held = new Set([
    ...key,
    ...table.keys.flatMap(({ columns, include = [] }) => [...columns, ...include]),
    ...table.columns
      .filter(({ type, identity }) => type === 'serial' || identity !== undefined)
      .map(({ name }) => name),
    ...(table.split === undefined ? [] : [table.split.column]),
    'ref',
    'region',
  ]);
  const read = [...table.columns.flatMap(({ generated }) => generated?.as ?? []), ...table.indexes].join(' ');
  return [...choices.keys()].filter(
    (name) => !held.has(name) && !required.has(name) && !read.includes(`"${name.replaceAll('"', '""')}"`),
  );
};

function changed(made: Made, sql: string, choices: ReadonlyMap<string, TypeChoice>, more: Partial<Made> = {}): Altered {
  return { statement: { op: 'ddl', table: made.table.id, sql }, made: { ...made, choices, ...more } };
}

const simple = ['integer', 'text', 'bigint', 'numeric', 'boolean', 'timestamptz', 'jsonb', 'integer[]'];

function add(made: Made, { random, major, fresh }: Ground): Altered {
  const choice = random.pick(typesFor(major).filter(({ type }) => simple.includes(type)));
  const name = `d${fresh}`;
  const value = choice.values.find((one) => one.length < 40) ?? '1';
  const rest = random.pick([
    '',
    ` DEFAULT '${value.replaceAll("'", "''")}'`,
    ` NOT NULL DEFAULT '${value.replaceAll("'", "''")}'`,
  ]);
  const required = rest.startsWith(' NOT') ? { required: new Set([...made.required, name]) } : {};
  return changed(
    made,
    `ALTER TABLE % ADD COLUMN ${name} ${choice.type}${rest}`,
    new Map([...made.choices, [name, choice]]),
    required,
  );
}

const less = (choices: Made['choices'], gone: string) => new Map([...choices].filter(([name]) => name !== gone));

function dropColumn(made: Made, { random }: Ground): Altered | null {
  const names = free(made);
  if (names.length === 0) return null;
  const name = random.pick(names);
  return changed(made, `ALTER TABLE % DROP COLUMN ${ident(name)}`, less(made.choices, name));
}

/** Gone and back under its name, as another column. */
function replace(made: Made, { random }: Ground): Altered | null {
  const names = free(made);
  if (names.length === 0) return null;
  const name = random.pick(names);
  const choice: TypeChoice = { type: 'text', values: ['new', '', 'x'] };
  const sql = `ALTER TABLE % DROP COLUMN ${ident(name)}; ALTER TABLE % ADD COLUMN ${ident(name)} text`;
  return changed(
    made,
    random.chance(0.5) ? sql : sql.replace('; ALTER TABLE %', ','),
    new Map([...less(made.choices, name), [name, choice]]),
  );
}

function renameColumn(made: Made, { random, fresh }: Ground): Altered | null {
  const names = free(made);
  if (names.length === 0) return null;
  const name = random.pick(names);
  const to = `r${fresh}`;
  return changed(
    made,
    `ALTER TABLE % RENAME COLUMN ${ident(name)} TO ${to}`,
    new Map([...less(made.choices, name), [to, made.choices.get(name)!]]),
  );
}

/** Two columns exchange their names. */
function swap(made: Made, { random }: Ground): Altered | null {
  const names = free(made);
  if (names.length < 2) return null;
  const [a, b] = [names[0]!, random.pick(names.slice(1))];
  const sql = [
    [a, 'swapped'],
    [b, a],
    ['swapped', b],
  ]
    .map(([from, to]) => `ALTER TABLE % RENAME COLUMN ${ident(from!)} TO ${ident(to!)}`)
    .join('; ');
  const choices = new Map(
    [...made.choices].map(
      ([name, choice]) =>
        [name, name === a ? made.choices.get(b)! : name === b ? made.choices.get(a)! : choice] as const,
    ),
  );
  return changed(made, sql, choices);
}

const widened: Readonly<Record<string, string>> = {
  smallint: 'integer',
  integer: 'bigint',
  bigint: 'numeric',
  'varchar(10)': 'text',
  'varchar(12)': 'varchar(20)',
  uuid: 'text',
  boolean: 'text',
  date: 'timestamp',
};

function retype(made: Made, { random }: Ground): Altered | null {
  const names = free(made).filter((name) => widened[made.choices.get(name)!.type] !== undefined);
  if (names.length === 0) return null;
  const name = random.pick(names);
  const choice = made.choices.get(name)!;
  const type = widened[choice.type]!;
  return changed(
    made,
    `ALTER TABLE % ALTER COLUMN ${ident(name)} TYPE ${type}`,
    new Map([...made.choices, [name, { ...choice, type }]]),
  );
}

function nullability(made: Made, { random }: Ground): Altered | null {
  const names = free(made);
  if (names.length === 0) return null;
  return changed(
    made,
    `ALTER TABLE % ALTER COLUMN ${ident(random.pick(names))} ${random.pick(['SET', 'DROP'])} NOT NULL`,
    made.choices,
  );
}
