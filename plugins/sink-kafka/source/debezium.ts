import type { Change, TransactionInfo } from '../../../core/api/change.ts';
import type { SourceRelations } from '../../../core/api/source.ts';
import { PgsluiceError } from '../../../core/base/error.ts';
import { type Relation, relationName } from '../../../core/postgres/relation.ts';
import { type Cell, type PartialTuple, type Tuple, UNCHANGED } from '../../../core/postgres/tuple.ts';
import { kafkaError } from '../errors.ts';
import { Digits, isObject, type JsonObject, parse, type Parsed, textOf } from './json.ts';
import type { LogRecord } from './partitions.ts';
import type { Records } from './stream.ts';
import { type Unsent, unsentOf } from './unsent.ts';
import { converter, type FieldSchema, Inexpressible, type Modes } from './values.ts';

interface Reader {
  readonly convert: (value: Parsed) => Cell;
  readonly unsent: Unsent;
}
/** A row of a record, with what its schema says of the fields. */
interface Row {
  readonly values: JsonObject;
  readonly schemas: ReadonlyMap<string, FieldSchema> | null;
}
export interface Read {
  readonly change: Change;
  /** See {@link RecordChanges}. */
  readonly commitTime: bigint | null;
}

/** Each record is one change, and none goes on in another. */
export function debeziumRecords(events: DebeziumEvents): Records {
  return {
    read: (record, tx, lsn) => {
      const read = events.read(record, tx, lsn);
      return read === null ? null : { changes: [read.change], commitTime: read.commitTime };
    },
    whole: false,
    goesOn: () => false,
  };
}

/** Change events of Debezium as changes. A row's key decides whether the target has it: events may have been written twice. */
export class DebeziumEvents {
  readonly #relations: ReadonlyMap<string, Relation>;
  readonly #excluded: ReadonlySet<string>;
  readonly #modes: Modes;
  readonly #unavailable: string;
  /** By column and the schema of its field. */
  readonly #readers = new WeakMap<object, Map<string, Reader>>();

  constructor({ tables, excluded }: SourceRelations, modes: Modes, unavailable: string) {
    this.#relations = new Map(tables.map(({ relation }) => [relationName(relation), relation]));
    this.#excluded = new Set(excluded.map(relationName));
    this.#modes = modes;
    this.#unavailable = unavailable;
  }

  /** Null: a tombstone, a heartbeat, the start or end of a transaction. */
  read(record: LogRecord, tx: TransactionInfo, lsn: bigint): Read | null {
    if (record.value === null) return null;
    try {
      return this.#event(record, tx, lsn);
    } catch (error) {
      const where = `${record.topic}-${record.partition} at offset ${record.offset}`;
      if (error instanceof Inexpressible) throw kafkaError('PGS5048', `${where}: ${error.message}`, { cause: error });
      if (error instanceof PgsluiceError) throw error;
      throw kafkaError('PGS5047', `${where}: ${error instanceof SyntaxError ? 'no JSON' : (error as Error).message}`);
    }
  }

  #event(record: LogRecord, tx: TransactionInfo, lsn: bigint): Read | null {
    const { schema, payload } = unwrap(parse(record.value!.toString()));
    if (isControl(payload)) return null;
    const op = textOf(payload['op']);
    const source = payload['source'];
    if (op === null || !isObject(source)) throw new Error('the record is no change event of Debezium');
    const micros = source['ts_us'] ?? payload['ts_us'];
    const commitTime = micros instanceof Digits ? BigInt(micros.text) : null;
    const at = { tx, lsn };
    if (op === 'm') return message(payload, at, commitTime);
    const relation = this.#relation(source);
    if (relation === null) return null;
    if (op === 't') {
      if (record.count > 1) {
        throw kafkaError(
          'PGS5049',
          `${relationName(relation)}: a TRUNCATE in a topic of several partitions has no place among their records`,
        );
      }
      const change = {
        kind: 'truncate',
        ...at,
        relations: [relation],
        cascade: false,
        restartIdentity: false,
      } as const;
      return { change, commitTime };
    }
    const row = (name: 'before' | 'after'): Row | null => {
      const values = payload[name];
      return isObject(values) ? { values, schemas: fieldsOf(schema, name) } : null;
    };
    const rows = { before: row('before'), after: row('after'), op, key: record.key };
    return { change: this.#rowChange(relation, rows, at), commitTime };
  }

  /** Null: the file leaves the table out. */
  #relation(source: JsonObject): Relation | null {
    const name = `${textOf(source['schema'])}.${textOf(source['table'])}`;
    const found = this.#relations.get(name);
    if (found !== undefined || this.#excluded.has(name)) return found ?? null;
    throw kafkaError('PGS5046', `a record is of table ${name}, which the database of tables_from does not have`);
  }

  #rowChange(
    relation: Relation,
    { before, after, op, key }: { before: Row | null; after: Row | null; op: string; key: Buffer | null },
    at: { readonly tx: TransactionInfo; readonly lsn: bigint },
  ): Change {
    const keyed = relation.primaryKey.length > 0;
    if (op === 'd') {
      if (keyed) {
        const tuple = this.#key(relation, key, before);
        return { kind: 'delete', ...at, relation, before: { image: 'key', tuple }, maybe: true };
      }
      return { kind: 'delete', ...at, relation, before: { image: 'full', tuple: this.#old(relation, before) } };
    }
    if (after === null || !['c', 'r', 'u'].includes(op)) throw new Error(`a change event with op ${op} has no row`);
    const tuple = this.#tuple(relation, after, op === 'u' && before === null);
    const whole = !tuple.includes(UNCHANGED);
    if (op !== 'u' && !whole) {
      throw kafkaError('PGS5049', `${relationName(relation)}: a new row lacks a value that was not sent`, {
        where: { table: relationName(relation) },
      });
    }
    if (keyed) {
      const update = { kind: 'update', ...at, relation, before: null, after: tuple } as const;
      return whole ? { ...update, maybe: true } : update;
    }
    if (op !== 'u') return { kind: 'insert', ...at, relation, after: tuple as Tuple };
    const old = { image: 'full', tuple: this.#old(relation, before) } as const;
    return { kind: 'update', ...at, relation, before: old, after: tuple };
  }

  #old(relation: Relation, before: Row | null): Tuple {
    if (before !== null) return this.#tuple(relation, before, false) as Tuple;
    throw kafkaError(
      'PGS5049',
      `${relationName(relation)} has no primary key, and a record does not have the old row`,
      {
        where: { table: relationName(relation) },
      },
    );
  }

  /** From the record's key, or from the old row where the record has none. Other columns are null. */
  #key(relation: Relation, bytes: Buffer | null, before: Row | null): Tuple {
    const unwrapped = bytes === null ? null : unwrap(parse(bytes.toString()));
    const row = unwrapped === null ? before : { values: unwrapped.payload, schemas: fieldsOf(unwrapped.schema, null) };
    const names = relation.primaryKey.map((position) => relation.columns[position]!.name);
    const lacks = row === null || names.some((name) => (row.values[name] ?? null) === null);
    if (lacks || madeUp(row, before, names)) {
      throw kafkaError('PGS5049', `${relationName(relation)}: a record of a DELETE does not tell the primary key`, {
        where: { table: relationName(relation) },
      });
    }
    return relation.columns.map((column, position) =>
      relation.primaryKey.includes(position)
        ? this.#cell(relation, position, row).convert(row.values[column.name]!)
        : null,
    );
  }

  /** `partial`: a value may be one that the server did not send. A column that the record does not have keeps its value, or its default. */
  #tuple(relation: Relation, row: Row, partial: boolean): PartialTuple {
    const { values } = row;
    for (const name of Object.keys(values)) {
      if (relation.columns.some((column) => column.name === name)) continue;
      throw kafkaError('PGS5046', `${relationName(relation)}: the table has no column ${name}, which a record has`, {
        where: { table: relationName(relation) },
      });
    }
    return relation.columns.map(({ name, generated }, position) => {
      const value = values[name];
      if (value === undefined) {
        if (generated !== 'never') return null;
        throw kafkaError('PGS5046', `${relationName(relation)}: a record has no column ${name}, which the table has`, {
          where: { table: relationName(relation) },
        });
      }
      const { convert, unsent } = this.#cell(relation, position, row);
      if (unsent.is(value)) return UNCHANGED;
      if (partial && value === null && unsent.looksNull) {
        throw new Inexpressible(
          `column ${name} is null, which Debezium writes for NULL and for a value that was not sent: REPLICA IDENTITY FULL on the source tells them apart`,
        );
      }
      try {
        return convert(value);
      } catch (error) {
        if (error instanceof Inexpressible)
          throw new Inexpressible(`column ${name} of ${relationName(relation)}: ${error.message}`);
        throw error;
      }
    });
  }

  #cell(relation: Relation, position: number, { schemas }: Row): Reader {
    const column = relation.columns[position]!;
    const schema = schemas?.get(column.name) ?? null;
    let of = this.#readers.get(column);
    if (of === undefined) this.#readers.set(column, (of = new Map()));
    const id = JSON.stringify(schema);
    let reader = of.get(id);
    if (reader === undefined) {
      const unsent = unsentOf(column, this.#modes, this.#unavailable);
      reader = { convert: this.#converter(relation, position, schema), unsent };
      of.set(id, reader);
    }
    return reader;
  }

  #converter(relation: Relation, position: number, schema: FieldSchema | null): (value: Parsed) => Cell {
    const column = relation.columns[position]!;
    try {
      return converter(column, schema, this.#modes);
    } catch (error) {
      if (!(error instanceof Inexpressible)) throw error;
      // A column that is NULL everywhere stands in nobody's way.
      return (value) => {
        if (value === null) return null;
        throw error;
      };
    }
  }
}

function message(
  payload: JsonObject,
  at: { readonly tx: TransactionInfo; readonly lsn: bigint },
  commitTime: bigint | null,
): Read | null {
  const of = payload['message'];
  const prefix = isObject(of) ? textOf(of['prefix']) : null;
  const content = isObject(of) ? textOf(of['content']) : null;
  if (prefix === null || content === null) throw new Error('a message of Debezium lacks prefix or content');
  // Of another pipeline, about its own stream.
  if (prefix === 'pgsluice') return null;
  const change = {
    kind: 'message',
    ...at,
    transactional: true,
    prefix,
    content: Buffer.from(content, 'base64'),
  } as const;
  return { change, commitTime };
}

/**
 * Under REPLICA IDENTITY USING INDEX Debezium does not get the primary key of a deleted row and writes zeros for it, beside the columns of
 * the index.
 */
function madeUp(key: Row, before: Row | null, names: readonly string[]): boolean {
  const empty = (value: Parsed) =>
    value === null || value === '' || (value instanceof Digits && Number(value.text) === 0);
  if (before === null || !names.every((name) => empty(key.values[name]!))) return false;
  return Object.entries(before.values).some(
    ([name, value]) => !names.includes(name) && !empty(value) && value !== false,
  );
}

/** Beginnings and ends of transactions, and heartbeats. */
function isControl(payload: JsonObject): boolean {
  if (payload['op'] !== undefined) return false;
  const names = Object.keys(payload);
  const ends = payload['status'] === 'BEGIN' || payload['status'] === 'END';
  return (ends && names.includes('event_count')) || (names.length === 1 && names[0] === 'ts_ms');
}

/** With `schemas.enable` a record is `{ schema, payload }`. */
function unwrap(value: Parsed): { readonly schema: JsonObject | null; readonly payload: JsonObject } {
  if (!isObject(value)) throw new Error('the record is no object');
  const { schema, payload } = value;
  if (!isObject(schema) || !isObject(payload) || Object.keys(value).length !== 2)
    return { schema: null, payload: value };
  return { schema, payload };
}

/** Fields of the row `within` an envelope; null: of the schema itself. */
function fieldsOf(schema: JsonObject | null, within: string | null): ReadonlyMap<string, FieldSchema> | null {
  if (schema === null) return null;
  const fields = listOf(schema['fields']);
  if (within !== null) {
    const of = fields.find((field) => field['field'] === within);
    return of === undefined ? null : fieldsOf(of, null);
  }
  return new Map(fields.map((field) => [textOf(field['field']) ?? '', fieldSchema(field)]));
}

function listOf(value: Parsed | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly Parsed[]).filter(isObject) : [];
}

function fieldSchema(field: JsonObject): FieldSchema {
  const { parameters, items } = field;
  const scale = isObject(parameters) ? textOf(parameters['scale']) : null;
  return {
    type: textOf(field['type']) ?? '',
    name: textOf(field['name']),
    scale: scale === null ? null : Number(scale),
    items: isObject(items) ? fieldSchema(items) : null,
  };
}
