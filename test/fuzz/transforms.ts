import { createHash } from 'node:crypto';
import type { Random } from '../support/chaos/random.ts';
import { ident, qualified, text } from './print.ts';
import type { Made } from './schema.ts';
import type { Mask, Script, Table, Transform } from './script.ts';

/** Random transforms, their YAML, and what they mean, told apart from the product's algebra: a SELECT around a SELECT. */

export const secret = 'fuzz-secret';

/** A column as the transforms before have left it; a locked one belongs to a key or the like and is only renamed. */
interface Current {
  name: string;
  readonly type: string;
  readonly locked: boolean;
  readonly nullable: boolean;
}

export function makeTransforms(random: Random, tables: readonly Made[]): readonly Transform[] {
  const parents = new Set(tables.map(({ table }) => table.inherits));
  return tables.flatMap((made) => {
    const { table } = made;
    // A transform for members of a tree is one for each of them.
    if (table.split !== undefined || table.inherits !== undefined || parents.has(table.id) || !random.chance(0.7))
      return [];
    const columns = currents(made, tables);
    // Rows that others refer to stay: PGS3022 otherwise, with reason.
    const referred = tables.some((other) => other.table.references?.table === table.id);
    return Array.from({ length: random.int(1, 3) }, () => one(random, table, columns)).filter(
      (found): found is Transform => found !== null && !(referred && found.plugin === 'filter'),
    );
  });
}

function currents({ table, choices, required }: Made, tables: readonly Made[]): Current[] {
  const keyed = new Set(table.keys.flatMap(({ columns, include = [] }) => [...columns, ...include]));
  const referred = tables.some((other) => other.table.references?.table === table.id);
  return table.columns
    .filter(({ dropped, generated }) => dropped !== true && generated === undefined)
    .map(({ name, type }) => {
      const quoted = `"${name.replaceAll('"', '""')}"`;
      const read = table.columns.some(({ generated }) => generated?.as.includes(quoted));
      const locked =
        keyed.has(name) ||
        read ||
        referred ||
        name === 'ref' ||
        type === 'serial' ||
        table.indexes.some((index) => index.includes(quoted));
      return { name, type: choices.get(name)?.type ?? type, locked, nullable: !required.has(name) };
    });
}

function one(random: Random, table: Table, columns: Current[]): Transform | null {
  const make = random.pick([filter, filter, rename, drop, set, set, mask]);
  return make(random, table, columns);
}

function filter(random: Random, table: Table, columns: Current[]): Transform | null {
  const tests = columns.flatMap((column) => testsOf(column));
  if (tests.length === 0) return null;
  const where = random.chance(0.3)
    ? `${random.pick(tests)} ${random.pick(['AND', 'OR'])} ${random.pick(tests)}`
    : random.pick(tests);
  return { plugin: 'filter', table: table.id, where };
}

function testsOf({ name, type }: Current): readonly string[] {
  const c = ident(name);
  switch (type) {
    case 'integer':
    case 'bigint':
    case 'smallint':
      return [`${c} > 2`, `(${c} <> 3 OR ${c} IS NULL)`, `${c} % 2 = 0`, `${c} BETWEEN 1 AND 5`];
    case 'numeric':
      return [`${c} > 0`, `${c} <> 1`, `NOT ${c} < 1.0`];
    case 'text':
      return [`${c} <> 'a'`, `length(${c}) < 4`, `${c} LIKE 'a%'`, `${c} IS DISTINCT FROM ''`, `${c} < 'b'`];
    case 'boolean':
      return [c, `NOT ${c}`, `${c} IS NOT TRUE`];
    case 'timestamptz':
    case 'date':
      return [`${c} > '2024-01-01'`, `${c} IS NULL`];
    case 'jsonb':
      return [`jsonb_typeof(${c}) = 'object'`];
    case 'mood':
      return [`${c} <> 'sad'`];
    default:
      return [`${c} IS NOT NULL`, `${c} IS NULL`];
  }
}

function rename(random: Random, table: Table, columns: Current[]): Transform {
  const chosen = columns.filter(() => random.chance(0.3));
  const names = chosen.map(
    (column, i) => [column.name, random.chance(0.2) ? `New "${i}` : `new${random.int(0, 999)}_${i}`] as const,
  );
  for (const [i, column] of chosen.entries()) column.name = names[i]![1];
  const plain = /^[a-z0-9_]+$/.test(table.name);
  const [schema, name] = [
    random.pick([table.schema, 'moved']),
    random.pick([plain ? table.name : 'odd', `to_${table.id}`]),
  ];
  return {
    plugin: 'rename',
    table: table.id,
    to: [schema, name],
    ...(names.length > 0 ? { columns: Object.fromEntries(names) } : {}),
  };
}

function drop(random: Random, table: Table, columns: Current[]): Transform | null {
  const free = columns.filter(({ locked }) => !locked);
  if (free.length < 2) return null;
  const gone = random.pick(free);
  columns.splice(columns.indexOf(gone), 1);
  return { plugin: 'columns', table: table.id, drop: [gone.name] };
}

function set(random: Random, table: Table, columns: Current[]): Transform | null {
  if (random.chance(0.4)) {
    const base = random.pick(columns);
    if (base === undefined) return null;
    const name = `made${columns.length}`;
    if (columns.some((column) => column.name === name)) return null;
    columns.push({ name, type: 'boolean', locked: false, nullable: true });
    return { plugin: 'set', table: table.id, columns: { [name]: { expr: `${ident(base.name)} IS NULL` } } };
  }
  const free = columns.filter(
    ({ locked, type }) => !locked && ['integer', 'text', 'numeric', 'bigint', 'jsonb'].includes(type),
  );
  if (free.length === 0) return null;
  const column = random.pick(free);
  const c = ident(column.name);
  const replaced = {
    integer: [`coalesce(${c}, 0)`, `CASE WHEN ${c} > 3 THEN 1 ELSE ${c} END`],
    bigint: [`${c} / 2`, `nullif(${c}, 1)`],
    text: [`left(${c}, 3)`, `concat(${c}, '!')`, `coalesce(${c}, 'none')`, `replace(${c}, 'a', 'bb')`],
    numeric: [`round(${c}, 2)`, `abs(${c})`, `-${c}`],
    jsonb: [column.nullable ? `${c} -> 0` : `coalesce(${c} -> 0, '[]')`, `coalesce(${c}, '{}')`],
  }[column.type] as readonly string[];
  return { plugin: 'set', table: table.id, columns: { [column.name]: { expr: random.pick(replaced) } } };
}

function mask(random: Random, table: Table, columns: Current[]): Transform | null {
  const free = columns.filter(({ locked, type, nullable }) => !locked && (type === 'text' || nullable));
  if (free.length === 0) return null;
  const column = random.pick(free);
  const method: Mask = column.type === 'text' ? random.pick(['hash', 'redact', 'partial'] as const) : 'null';
  return { plugin: 'mask', table: table.id, columns: { [column.name]: method } };
}

export interface Expected {
  /** In the target, quoted. */
  readonly name: string;
  /** On the source. */
  readonly select: string;
  readonly columns: readonly string[];
}

/**
 * What the target must hold of a table, with the names it has now. `columns`: those of the source in their order, text of
 * a collation of its own read as bytes.
 */
export function expectedOf(script: Script, table: Table, columns: readonly { name: string; sql: string }[]): Expected {
  let names = columns.map(({ name }) => name);
  let select = `SELECT ${columns.map(({ name, sql }) => `${sql} AS ${ident(name)}`).join(', ')} FROM ONLY ${qualified(table)}`;
  let target = qualified(table);
  const wrap = (list: readonly (readonly [name: string, sql: string])[], more = '') => {
    select = `SELECT ${list.map(([name, sql]) => `${sql} AS ${ident(name)}`).join(', ')} FROM (${select}) q${more}`;
    names = list.map(([name]) => name);
  };
  for (const transform of script.transforms.filter((one) => one.table === table.id)) {
    switch (transform.plugin) {
      case 'filter':
        wrap(
          names.map((name) => [name, ident(name)]),
          ` WHERE ${transform.where}`,
        );
        break;
      case 'rename':
        if (transform.to !== undefined) target = transform.to.map(ident).join('.');
        wrap(names.map((name) => [transform.columns?.[name] ?? name, ident(name)]));
        break;
      case 'columns':
        wrap(names.filter((name) => !transform.drop.includes(name)).map((name) => [name, ident(name)]));
        break;
      case 'set': {
        const made = Object.keys(transform.columns).filter((name) => !names.includes(name));
        wrap([...names, ...made].map((name) => [name, transform.columns[name]?.expr ?? ident(name)]));
        break;
      }
      case 'mask':
        wrap(names.map((name) => [name, masked(ident(name), transform.columns[name])]));
        break;
      default:
        transform satisfies never;
    }
  }
  return { name: target, select, columns: names };
}

function masked(column: string, mask: Mask | undefined): string {
  switch (mask) {
    case undefined:
      return column;
    case 'null':
      // Of its type, which later transforms may read.
      return `CASE WHEN false THEN ${column} END`;
    case 'redact':
      return `CASE WHEN ${column} IS NOT NULL THEN '***' END`;
    case 'partial':
      return `CASE WHEN length(${column}) <= 2 THEN '…' ELSE left(${column}, 1) || '…' || right(${column}, 1) END`;
    case 'hash':
      return hmac(column);
  }
}

/** RFC 2104, with the secret padded to the block of SHA-256. */
function hmac(column: string): string {
  const key = Buffer.alloc(64);
  (secret.length > 64 ? createHash('sha256').update(secret).digest() : Buffer.from(secret)).copy(key);
  const pad = (byte: number) => `${text(`\\x${Buffer.from(key.map((one) => one ^ byte)).toString('hex')}`)}::bytea`;
  return `encode(sha256(${pad(0x5c)} || sha256(${pad(0x36)} || convert_to(${column}::text, 'UTF8'))), 'hex')`;
}
