import { oids } from '../../../core/postgres/oids.ts';
import { type Relation, relationName } from '../../../core/postgres/relation.ts';
import type { Tuple } from '../../../core/postgres/tuple.ts';
import { kafkaError } from '../errors.ts';
import { jsonString } from '../records/json.ts';
import { type ColumnType, columnType, type TypeModes } from '../records/types.ts';

/** One column of an outbox table, or a member of a message. */
export interface Field {
  /** As a header or a key has it; null: NULL. */
  readonly text: string | null;
  /** As a member of JSON has it. */
  readonly json: string;
  /** The server's text, or the bytes of a bytea. */
  readonly raw: string | Buffer | null;
}

/** Undefined: there is no such field. */
export type Fields = (name: string) => Field | undefined;

const nothing: Field = { text: null, json: 'null', raw: null };

/** Reads rows of a relation; the values are mapped once. */
export function rowFields(relation: Relation, modes: TypeModes): (row: Tuple) => Fields {
  const columns = new Map(
    relation.columns.map((column, position) => {
      const type = columnType(column, { ...modes, unknown: 'text' }) as ColumnType;
      return [column.name, { position, type, bytes: column.baseType === oids.bytea }];
    }),
  );
  return (row) => (name) => {
    const column = columns.get(name);
    if (column === undefined) return undefined;
    const cell = row[column.position] ?? null;
    if (cell === null) return nothing;
    const json = column.type.encode(cell);
    return { text: plain(column.type.header?.(cell) ?? json), json, raw: column.bytes ? bytesOf(cell) : cell };
  };
}

/** A value by itself, not in quotes. */
function plain(json: string): string {
  return json.startsWith('"') ? (JSON.parse(json) as string) : json;
}

/** bytea_output = hex, as the source's sessions have it. */
function bytesOf(cell: string): Buffer {
  return Buffer.from(cell.slice(2), 'hex');
}

/** Members of a message's content: a JSON object. PGS5065 where it is none. */
export function messageFields(content: Uint8Array, prefix: string): Fields {
  const wrong = (why: string) =>
    kafkaError('PGS5065', `the content of a message with prefix ${prefix} is ${why}`, {
      remedy:
        'Send a JSON object with the members of an outbox row, or take the prefix from message_prefix_include_list.',
    });
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    value = JSON.parse(text, keepDigits);
  } catch {
    throw wrong('no JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('no JSON object');
  const members = new Map(Object.entries(value));
  return (name) => {
    const member: unknown = members.get(name);
    if (member === undefined) return undefined;
    if (member === null) return nothing;
    if (typeof member === 'string') return { text: member, json: jsonString(member), raw: member };
    const json = JSON.stringify(member);
    return { text: json, json, raw: json };
  };
}

/** Numbers keep their digits (JSON.parse source text access, Node 22 and later). */
function keepDigits(this: unknown, _key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const raw = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;
  return typeof value === 'number' && context?.source !== undefined ? raw(context.source) : value;
}

/** The names that the file wants and the table lacks. */
export function missingFields(relation: Relation, wanted: readonly string[]): void {
  const missing = wanted.filter((name) => !relation.columns.some((column) => column.name === name));
  if (missing.length === 0) return;
  throw kafkaError('PGS5063', `format: outbox: there is no column ${missing.join(', ')}`, {
    where: { table: relationName(relation) },
    remedy:
      'Name the columns in `outbox` (table_field_event_key, …), or give the sink only outbox tables with `tables`.',
  });
}
