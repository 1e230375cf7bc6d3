import type { OldImage } from '../../../core/api/change.ts';
import { type PartialTuple, type Tuple, UNCHANGED } from '../../../core/postgres/tuple.ts';
import { type Column, type Relation, relationName } from '../../../core/postgres/relation.ts';
import { kafkaError } from '../errors.ts';
import { defaultText } from './defaults.ts';
import { headerString, headerText } from './header.ts';
import { jsonString } from './json.ts';
import { type Fields, RowBytes } from './row-bytes.ts';
import type { WrittenColumn } from '../schemas/record-schemas.ts';
import { type ColumnType, columnType, type TypeModes } from './types.ts';

/** Writes rows of one relation as JSON text; made once per relation, so names and mappings are not looked up per row. */
export interface RowEncoder {
  readonly relation: Relation;
  /** The columns that rows have, and those of the key, as they are written. */
  readonly columns: readonly WrittenColumn[];
  readonly keyColumns: readonly WrittenColumn[];
  /** Positions of the key's columns in key order; empty: records have a null key. */
  readonly key: readonly number[];
  /** `{"id":1,…}`. */
  row(tuple: PartialTuple): string;
  /** The row without its closing brace, to be followed by more members: `{"id":1`; a row without columns is `{`. */
  open(tuple: PartialTuple): string;
  /** `{"id":1}` of the key's columns, null where the relation has no key. */
  keyOf(tuple: Tuple): string | null;
  /** The same as a record's header holds it. */
  keyHeader(tuple: Tuple): string;
  /** A delete's `before` where the server sent only the key. */
  keyImage(tuple: Tuple): string;
  /** `key` and `open` from bytes to bytes; null: a relation without columns. */
  readonly bytes: RowBytes | null;
}

export interface RowEncoderOptions extends TypeModes {
  /** Key columns by name, in place of the replica identity's; null: the identity's. */
  readonly keyColumns: readonly string[] | null;
  /** A text that is the last member of the key, where there is a key. */
  readonly keyMember: { readonly name: string; readonly value: string } | null;
  /** `debezium`: NOT NULL columns outside the key get their default, or a value of the type; `nulls`: null. */
  readonly deleteBefore: 'debezium' | 'nulls';
}

export function rowEncoder(relation: Relation, options: RowEncoderOptions): RowEncoder {
  const positions: number[] = [];
  const types: ColumnType[] = [];
  const prefixes: string[] = [];
  relation.columns.forEach((column, position) => {
    const type = columnType(column, options);
    if (type === null) return;
    prefixes.push(`${positions.length === 0 ? '' : ','}${jsonString(column.name)}:`);
    positions.push(position);
    types.push(type);
  });
  const key = keyPositions(relation, options.keyColumns);
  const keyTypes = key.map(
    (p) => columnType(relation.columns[p] as Column, { ...options, unknown: 'text' }) as ColumnType,
  );
  const keyPrefixes = key.map((p, i) => `${i === 0 ? '{' : ','}${jsonString(relation.columns[p]?.name ?? '')}:`);
  const { keyMember } = options;
  const keyEnd = keyMember === null ? '}' : `,${jsonString(keyMember.name)}:${jsonString(keyMember.value)}}`;
  const sent = relation.identity.kind === 'key' ? new Set(relation.identity.positions) : new Set(key);

  function open(tuple: PartialTuple): string {
    let out = '{';
    for (let i = 0; i < positions.length; i++) {
      const cell = tuple[positions[i] as number];
      const type = types[i] as ColumnType;
      out += prefixes[i];
      if (cell === null || cell === undefined) out += 'null';
      else out += cell === UNCHANGED ? type.unavailable : type.encode(cell);
    }
    return out;
  }
  function keyOf(tuple: Tuple): string | null {
    if (key.length === 0) return null;
    let out = '';
    for (let i = 0; i < key.length; i++) {
      const cell = tuple[key[i] as number];
      out += keyPrefixes[i];
      out += cell === null || cell === undefined ? 'null' : (keyTypes[i] as ColumnType).encode(cell);
    }
    return `${out}${keyEnd}`;
  }
  function keyHeader(tuple: Tuple): string {
    const members = key.map((p, i) => {
      const cell = tuple[p];
      const { encode, header } = keyTypes[i] as ColumnType;
      const name = headerString(relation.columns[p]?.name ?? '');
      if (cell === null || cell === undefined) return `"${name}":null`;
      return `"${name}":${header === undefined ? headerText(encode(cell)) : header(cell)}`;
    });
    return `{${members.join(',')}}`;
  }
  const row = { positions, types, prefixes: prefixes.map((prefix, i) => (i === 0 ? `{${prefix}` : prefix)) };
  const columns = written(relation, positions, types);
  const missing = columns.map((one, i) => missingMember(one, row.prefixes[i] as string, options));
  const keyFields = { positions: key, prefixes: keyPrefixes, types: keyTypes, end: keyEnd };
  return {
    relation,
    columns,
    keyColumns: written(relation, key, keyTypes),
    key,
    open,
    keyOf,
    keyHeader,
    keyImage: keyImageOf(row, missing, sent),
    row: (tuple) => `${open(tuple)}}`,
    bytes: positions.length === 0 ? null : new RowBytes(relation.columns.length, row, keyFields),
  };
}

function written({ columns }: Relation, at: readonly number[], types: readonly ColumnType[]): readonly WrittenColumn[] {
  return at.map((position, i) => ({ column: columns[position] as Column, type: types[i] as ColumnType }));
}

/** `missing`: members of columns that are not in `sent`. */
function keyImageOf(
  { positions, prefixes, types }: Fields,
  missing: readonly string[],
  sent: ReadonlySet<number>,
): (tuple: Tuple) => string {
  return (tuple) => {
    let out = positions.length === 0 ? '{' : '';
    for (let i = 0; i < positions.length; i++) {
      const position = positions[i] as number;
      const cell = tuple[position];
      if (!sent.has(position)) out += missing[i];
      else out += prefixes[i] + (cell === null || cell === undefined ? 'null' : (types[i] as ColumnType).encode(cell));
    }
    return `${out}}`;
  };
}

/** In a delete's `before`, of a column that was not sent. */
function missingMember({ column, type }: WrittenColumn, prefix: string, { deleteBefore }: RowEncoderOptions): string {
  if (deleteBefore !== 'debezium' || !column.notNull) return `${prefix}null`;
  const otherwise = type.noDefault === true ? null : defaultText(column);
  return prefix + (otherwise === null ? type.fallback : type.encode(otherwise));
}

/**
 * Which columns make the key: those of the file; else the replica identity's, in the primary key's order where they are the
 * same; else the primary key (REPLICA IDENTITY FULL); else none. Throws PGS5008 where a delete could not give them.
 */
export function keyPositions(relation: Relation, names: readonly string[] | null): readonly number[] {
  const { identity, primaryKey } = relation;
  const same = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((p) => b.includes(p));
  if (names === null) {
    if (identity.kind !== 'key') return primaryKey;
    return same(identity.positions, primaryKey) ? primaryKey : identity.positions;
  }
  const positions = names.map((name) => relation.columns.findIndex((column) => column.name === name));
  const unknown = names.find((_, i) => positions[i] === -1);
  const where = { table: relationName(relation) };
  if (unknown !== undefined) throw kafkaError('PGS5008', `there is no column ${unknown} to take as key`, { where });
  if (identity.kind === 'key') {
    const outside = names.find((_, i) => !identity.positions.includes(positions[i] as number));
    if (outside !== undefined) {
      throw kafkaError('PGS5008', `key column ${outside} is not part of the replica identity`, { where });
    }
  }
  return positions;
}

/** The whole new row: values that were not sent come from the old one where that is whole (I7), else stay UNCHANGED. */
export function completed(after: PartialTuple, before: OldImage | null, key: readonly number[]): PartialTuple {
  if (before === null || !after.includes(UNCHANGED)) return after;
  return after.map((cell, i) =>
    cell === UNCHANGED && (before.image === 'full' || key.includes(i)) ? (before.tuple[i] ?? null) : cell,
  );
}
