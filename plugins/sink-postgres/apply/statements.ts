import type { TargetShape } from './identity.ts';
import type { TargetColumn, TargetTable } from './target-table.ts';
import type { InsertChange } from '../../../core/api/change.ts';
import { type ArrayOf, withArrays } from './encode.ts';
import { type NetChange, Remove, Write, inKeyOrder } from './net-change.ts';
import { isSent, isWhole, parametersOf, type Row, sizeOf } from '../../../core/api/wire-change.ts';
import type { Script, Steps } from './round-trip.ts';

export function column(table: TargetTable, position: number): TargetColumn {
  return table.columns[position] as TargetColumn;
}

const sqlOf = (shape: TargetShape, positions: readonly number[]) => positions.map((i) => column(shape.table, i).sql);
const overriding = (shape: TargetShape) => (shape.table.hasIdentity ? ' OVERRIDING SYSTEM VALUE' : '');
/** A parameter whose type is the column's without its length: the server's own input function reads the text. */
const param = (shape: TargetShape, position: number, n: number) => `$${n}::${column(shape.table, position).type}`;

/** Values: the filled columns. Bytes are read as the type that they were compared with, whatever the column is by now. */
export function insertRow(shape: TargetShape): string {
  const { table, filled, binary } = shape;
  if (filled.length === 0) return `INSERT INTO ${table.sql} DEFAULT VALUES`;
  const values = filled.map((i, n) => (binary ? param(shape, i, n + 1) : `$${n + 1}`));
  return `INSERT INTO ${table.sql} (${sqlOf(shape, filled).join(', ')})${overriding(shape)} VALUES (${values.join(', ')})`;
}

/** COPY has the same meaning as INSERT for identity columns: the values given are taken. */
export function copyRows(shape: TargetShape): string {
  const format = shape.binary ? ' (FORMAT binary)' : '';
  return `COPY ${shape.table.sql} (${sqlOf(shape, shape.filled).join(', ')}) FROM STDIN${format}`;
}

/**
 * Behind a COPY of bytes, which reads them as what the columns are at that moment: divides by zero where the table was
 * altered since its catalog was read. The COPY's lock keeps it from being altered in between.
 */
export const typesAsRead = `SELECT 1 / (count(*) = $3::int4)::int4 FROM pg_attribute
  WHERE attrelid = $1::text::regclass AND NOT attisdropped AND ($2::jsonb ->> attname::text)::oid = atttypid`;

/** Values for {@link typesAsRead}. */
export function typesRead({ table, filled }: TargetShape): readonly string[] {
  const types = filled.map((i) => [column(table, i).name, column(table, i).oid] as const);
  return [table.sql, JSON.stringify(Object.fromEntries(types)), String(types.length)];
}

/** Finds one row: a condition over the key, or over all columns with one row picked; parameters from `first` on. */
export interface Finder {
  /** For `FROM` (UPDATE) or `USING` (DELETE); null: none. */
  readonly source: string | null;
  readonly where: string;
}

export function keyFinder(shape: TargetShape, key: readonly number[], first: number): Finder {
  const conditions = key.map((i, n) => {
    const own = `t.${equal(shape, i, first + n)}`;
    const { canonical, coarse } = column(shape.table, i);
    return canonical || !coarse ? own : `${own} AND ${sameText(shape, 't', i, first + n)}`;
  });
  return { source: null, where: conditions.join(' AND ') };
}

/** Tells apart what the type's own equality does not: 'a' and 'A' under a nondeterministic collation, 1.0 and 1.00. */
function sameText(shape: TargetShape, alias: string, position: number, n: number): string {
  const { sql } = column(shape.table, position);
  const value = `(${param(shape, position, n)})::pg_catalog.text COLLATE "C"`;
  return `${alias}.${sql}::pg_catalog.text COLLATE "C" = ${value}`;
}

function equal(shape: TargetShape, position: number, n: number): string {
  const { sql, equals } = column(shape.table, position);
  return `${sql} ${equals ?? 'OPERATOR(pg_catalog.=)'} ${param(shape, position, n)}`;
}

/**
 * One source row is one target row, also among duplicates: the first row that is the same in every column, by its place.
 * Values compare by the type's own equality where it has one (an index may serve it) and by their text, which tells
 * 1.0 from 1.00 and serves json, xml and point. `IS NOT DISTINCT FROM NULL` is true for NULL only, `IS NULL` also for
 * a composite of NULLs.
 */
export function rowFinder(shape: TargetShape, isNull: readonly boolean[], first: number): Finder {
  const { table } = shape;
  let n = first;
  const conditions = shape.filled.map((position, k) => {
    const c = column(table, position);
    if (isNull[k] === true) return `s.${c.sql} IS NOT DISTINCT FROM NULL`;
    const same = sameText(shape, 's', position, n);
    const own = `s.${equal(shape, position, n)}`;
    n++;
    if (c.canonical) return own;
    return c.equals === null ? same : `${own} AND ${same}`;
  });
  const where = conditions.length === 0 ? 'true' : conditions.join(' AND ');
  if (!table.partitioned)
    return { source: null, where: `t.ctid = (SELECT s.ctid FROM ${table.only} AS s WHERE ${where} LIMIT 1)` };
  return {
    source: `(SELECT s.tableoid AS o, s.ctid AS c FROM ${table.only} AS s WHERE ${where} LIMIT 1) AS f`,
    where: 't.tableoid = f.o AND t.ctid = f.c',
  };
}

/** Parameters: those of the finder. */
export function deleteRow(shape: TargetShape, finder: Finder): string {
  const using = finder.source === null ? '' : ` USING ${finder.source}`;
  return `DELETE FROM ${shape.table.only} AS t${using} WHERE ${finder.where}`;
}

/** Values: the columns at `set`, then the finder's. Nothing to set: only looks whether the row is there. */
export function updateRow(shape: TargetShape, set: readonly number[], finder: Finder): string {
  const from = finder.source === null ? '' : finder.source;
  if (set.length === 0) {
    return `SELECT 1 FROM ${shape.table.only} AS t${from === '' ? '' : `, ${from}`} WHERE ${finder.where}`;
  }
  const pairs = set.map((i, n) => `${column(shape.table, i).sql} = ${param(shape, i, n + 1)}`);
  return `UPDATE ${shape.table.only} AS t SET ${pairs.join(', ')}${from === '' ? '' : ` FROM ${from}`} WHERE ${finder.where}`;
}

/** Values: the filled columns, then the finder's. Updates the row, inserts it where there is none. */
export function upsertRow(shape: TargetShape, finder: Finder): string {
  const { table, filled } = shape;
  const always = filled.some((i) => column(table, i).identityAlways);
  const change = always ? deleteRow(shape, finder) : updateRow(shape, filled, finder);
  const values = filled.map((i, n) => param(shape, i, n + 1));
  // What the INSERT does not read would be run after it (manual: "Data-Modifying Statements in WITH"), and the old row be in its way.
  const select = `SELECT ${values.join(', ')} WHERE ${always ? '(SELECT count(*) FROM u) >= 0' : 'NOT EXISTS (SELECT FROM u)'}`;
  return `WITH u AS (${change} RETURNING 1) INSERT INTO ${table.sql} (${sqlOf(shape, filled).join(', ')})${overriding(shape)} ${select}`;
}

/**
 * An update that sets a GENERATED ALWAYS identity column, which UPDATE cannot: the row is taken out and put back in one
 * statement, with what was not sent. Values: the columns at `set`, then the finder's.
 */
export function moveRow(shape: TargetShape, set: readonly number[], finder: Finder): string {
  const { table } = shape;
  const rest = shape.filled.filter((i) => !set.includes(i));
  const kept = [...sqlOf(shape, rest), ...table.more];
  const into = [...sqlOf(shape, set), ...kept].join(', ');
  const values = [...set.map((i, n) => param(shape, i, n + 1)), ...kept.map((name) => `d.${name}`)].join(', ');
  return `WITH d AS (${deleteRow(shape, finder)} RETURNING t.*) INSERT INTO ${table.sql} (${into}) OVERRIDING SYSTEM VALUE SELECT ${values} FROM d`;
}

/**
 * The rows of one array per column. `unnest` stands in the select list, where rows go on as they are made; in FROM all of them
 * would first be stored (of wide rows that costs an UPDATE about an eighth of its CPU). Arrays and composites travel as text,
 * see {@link TargetColumn.asText}.
 */
function unnest(shape: TargetShape, positions: readonly number[]): string {
  const arrays = positions.map((i, n) => {
    const c = column(shape.table, i);
    return `pg_catalog.unnest($${n + 1}::${c.asText ? 'pg_catalog.text' : c.type}[]) AS c${n}`;
  });
  return `(SELECT ${arrays.join(', ')}) AS u`;
}

/** Values: an array literal per key column. */
export function deleteSet(shape: TargetShape, key: readonly number[]): string {
  const { table } = shape;
  const only = key.length === 1 ? column(table, key[0] as number) : null;
  if (only !== null) {
    return `DELETE FROM ${table.only} AS t WHERE t.${only.sql} ${only.equals ?? 'OPERATOR(pg_catalog.=)'} ANY ($1::${only.type}[])`;
  }
  return `DELETE FROM ${table.only} AS t USING ${unnest(shape, key)} WHERE ${joined(shape, key, 0)}`;
}

/** Values: an array literal per column at `set`, then per key column. */
export function updateSet(shape: TargetShape, set: readonly number[], key: readonly number[]): string {
  const { table } = shape;
  const pairs = set.map((i, n) => {
    const c = column(table, i);
    return `${c.sql} = u.c${n}${c.asText ? `::${c.type}` : ''}`;
  });
  return `UPDATE ${table.only} AS t SET ${pairs.join(', ')} FROM ${unnest(shape, [...set, ...key])} WHERE ${joined(shape, key, set.length)}`;
}

function joined(shape: TargetShape, key: readonly number[], first: number): string {
  return key
    .map((i, n) => {
      const { sql, equals } = column(shape.table, i);
      return `t.${sql} ${equals ?? 'OPERATOR(pg_catalog.=)'} u.c${first + n}`;
    })
    .join(' AND ');
}

/** From so many rows on, one statement for all is cheaper than one each (bench/apply.ts). */
export const setWiseFrom = 12;
/** Bytes of rows after which another COPY begins. */
const copySize = 32 << 20;
/** Bytes of rows after which another set-wise statement begins: the target works on it while the next is written. */
const setSize = 256 << 10;

/** Writes the statements of a table's net change: removes, updates, upserts, inserts. */
export function* emitNet(script: Script, shape: TargetShape, net: NetChange): Steps {
  const must: number[] = [];
  const maybe: number[] = [];
  const inserts: Row[] = [];
  const upserts: number[] = [];
  const updates = new Map<string, number[]>();
  for (let i = 0; i < net.size; i++) {
    if (net.removes[i] === Remove.must) must.push(i);
    else if (net.removes[i] === Remove.maybe) maybe.push(i);
    const write = net.writes[i] as Write;
    if (write === Write.insert) inserts.push(net.rows[i] as Row);
    else if (write === Write.upsert) upserts.push(i);
    else if (write === Write.update) {
      const sent = sentColumns(shape, net.rows[i] as Row);
      const group = updates.get(sent);
      if (group === undefined) updates.set(sent, [i]);
      else group.push(i);
    }
  }
  for (const [at, counted] of [
    [must, true],
    [maybe, false],
  ] as const) {
    yield* emitRemoves(script, shape, pick(net.keys, inKeyOrder(shape, net, at)), counted);
  }
  for (const group of updates.values()) yield* emitUpdates(script, shape, net, inKeyOrder(shape, net, group));
  for (const i of upserts) emitUpsert(script, shape, net, i);
  yield* emitInserts(script, shape, inserts);
}

const pick = (rows: readonly Row[], at: readonly number[]) => at.map((i) => rows[i] as Row);
const keyOf = (shape: TargetShape) => shape.key as readonly number[];

/** Which columns an update writes; most send all, so that case costs one look. */
function sentColumns(shape: TargetShape, row: Row): string {
  if (isWhole(row)) return '';
  return shape.filled.filter((i) => isSent(row, i)).join(',');
}

function* emitRemoves(script: Script, shape: TargetShape, keys: readonly Row[], counted: boolean): Steps {
  const key = keyOf(shape);
  const table = shape.table.name;
  if (keys.length < setWiseFrom || !arraysFit(shape, key)) {
    const text = deleteRow(shape, keyFinder(shape, key, 1));
    for (const row of keys) script.row(text, parametersOf(row, key), counted ? 1 : 'any', { table, change: null });
    return;
  }
  const text = deleteSet(shape, key);
  for (const piece of pieces(keys, setSize)) {
    withArrays(piece, arraysOf(shape, key), shape.binary, (values) =>
      script.once(text, values, { expected: counted ? piece.length : 'any', table }),
    );
    yield;
  }
}

function* emitUpdates(script: Script, shape: TargetShape, net: NetChange, group: readonly number[]): Steps {
  const key = keyOf(shape);
  const table = shape.table.name;
  const sample = net.rows[group[0] as number] as Row;
  const set = shape.filled.filter((i) => isSent(sample, i) && !key.includes(i));
  if (group.length < setWiseFrom || set.length === 0 || !arraysFit(shape, [...set, ...key])) {
    const text = updateRow(shape, set, keyFinder(shape, key, set.length + 1));
    for (const i of group) {
      const values = [...parametersOf(net.rows[i] as Row, set), ...parametersOf(net.keys[i] as Row, key)];
      script.row(text, values, 1, { table, change: null });
    }
    return;
  }
  const text = updateSet(shape, set, key);
  const all = pick(net.rows, group);
  let from = 0;
  for (const piece of pieces(all, setSize)) {
    const keys = pick(net.keys, group.slice(from, from + piece.length));
    from += piece.length;
    withArrays(piece, arraysOf(shape, set), shape.binary, (values) =>
      withArrays(keys, arraysOf(shape, key), shape.binary, (found) =>
        script.once(text, [...values, ...found], { expected: piece.length, table }),
      ),
    );
    yield;
  }
}

function emitUpsert(script: Script, shape: TargetShape, net: NetChange, i: number): void {
  const { filled } = shape;
  const key = keyOf(shape);
  const text = upsertRow(shape, keyFinder(shape, key, filled.length + 1));
  const values = [...parametersOf(net.rows[i] as Row, filled), ...parametersOf(net.keys[i] as Row, key)];
  script.row(text, values, 'any', { table: shape.table.name, change: null });
}

export function rowsOf(inserts: readonly InsertChange[]): Row[] {
  return inserts.map((insert) => insert.wire ?? insert.after);
}

/** Whole rows, by COPY when there are enough of them. */
export function* emitInserts(script: Script, shape: TargetShape, rows: readonly Row[]): Steps {
  const { filled } = shape;
  const table = shape.table.name;
  if (rows.length < setWiseFrom || filled.length === 0) {
    const text = insertRow(shape);
    for (const row of rows) script.row(text, parametersOf(row, filled), 'any', { table, change: null });
    return;
  }
  const text = copyRows(shape);
  for (const piece of pieces(rows, copySize)) yield* script.copy(text, piece, { filled, table });
  if (shape.binary) script.own(typesAsRead, typesRead(shape), table);
}

/** Arrays of text carry text only, so what travels as text (see {@link TargetColumn.asText}) goes row by row in binary. */
function arraysFit(shape: TargetShape, positions: readonly number[]): boolean {
  return !shape.binary || positions.every((i) => !column(shape.table, i).asText);
}

function arraysOf(shape: TargetShape, positions: readonly number[]): ArrayOf[] {
  return positions.map((position) => {
    const { asText, delimiter, oid } = column(shape.table, position);
    return { position, oid, delimiter: asText ? ',' : delimiter };
  });
}

/** Cuts rows into parts that stay below `most` bytes (one row may exceed it alone). */
function* pieces(rows: readonly Row[], most: number): Iterable<readonly Row[]> {
  let from = 0;
  let size = 0;
  for (let i = 0; i < rows.length; i++) {
    const more = sizeOf(rows[i] as Row);
    if (size + more > most && i > from) {
      yield rows.slice(from, i);
      from = i;
      size = 0;
    }
    size += more;
  }
  if (from === 0) {
    if (rows.length > 0) yield rows;
  } else yield rows.slice(from);
}
