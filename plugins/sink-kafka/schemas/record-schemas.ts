import type { Column } from '../../../core/postgres/relation.ts';
import { defaultText } from '../records/defaults.ts';
import type { FlatField } from '../records/format.ts';
import { releaseNumber, releases } from '../records/releases.ts';
import type { ColumnType } from '../records/types.ts';
import { type ConnectSchema, type Field, named, optional, type StructSchema } from './connect-schema.ts';
import { plain } from './debezium-types.ts';

/** Of the records of a topic; `key` null: they have none. */
export interface RecordSchemas {
  readonly key: ConnectSchema | null;
  readonly value: ConnectSchema;
}

/** Of a key, and of a row. */
export interface RowSchemas extends RecordSchemas {
  readonly value: StructSchema;
}

/** A column as it is written. */
export interface WrittenColumn {
  readonly column: Column;
  readonly type: ColumnType;
}

const optionalInt64 = optional(plain.int64);
const optionalString = optional(plain.string);

function struct(name: string, fields: readonly (readonly [string, ConnectSchema])[], version?: number): StructSchema {
  return {
    type: 'struct',
    fields: fields.map(([field, schema]) => ({ name: field, schema })),
    name,
    ...(version === undefined ? {} : { version }),
  };
}

function fieldOf({ column, type }: WrittenColumn): Field {
  const text = type.noDefault === true ? null : defaultText(column);
  const schema = { ...type.schema, optional: !column.notNull || type.schema.optional === true };
  return {
    name: column.name,
    schema: text === null ? schema : { ...schema, default: type.encode(text) },
    ...(column.attnum === undefined ? {} : { tag: column.attnum }),
  };
}

/** `prefix`: of the names of schemas, the topic's name in Debezium. */
export function rowSchema(prefix: string, columns: readonly WrittenColumn[]): StructSchema {
  return { type: 'struct', fields: columns.map(fieldOf), name: `${prefix}.Value` };
}

/** `member`: what is added where several tables share a topic. */
export function keySchema(
  prefix: string,
  columns: readonly WrittenColumn[],
  member: { readonly name: string } | null,
): StructSchema | null {
  if (columns.length === 0) return null;
  const fields = columns.map(fieldOf);
  if (member !== null) fields.push({ name: member.name, schema: plain.string });
  return { type: 'struct', fields, name: `${prefix}.Key` };
}

/** Members that `format: flat` adds to the row; see flatFormat. */
export function flatSchema(row: StructSchema, fields: readonly FlatField[], marked: boolean): StructSchema {
  const added = fields
    .filter((field) => field !== 'deleted')
    .map((field): Field => ({ name: `__${field}`, schema: flatTypes[field] }));
  const deleted: Field[] = marked ? [{ name: '__deleted', schema: optionalString }] : [];
  return { ...row, fields: [...row.fields, ...deleted, ...added] };
}

const flatTypes: Readonly<Record<FlatField, ConnectSchema>> = {
  op: optionalString,
  schema: optionalString,
  table: optionalString,
  lsn: optionalInt64,
  source_ts_ms: optionalInt64,
  tx_id: optionalInt64,
  deleted: optionalString,
};

const snapshotMarks = 'true,first,first_in_data_collection,last_in_data_collection,last,false,incremental';
/** Of 2.7, whose records have the others all the same. */
const olderMarks = 'true,last,false,incremental';

/** See sourceBlock. */
function sourceSchema(version: string): StructSchema {
  const release = releaseNumber(version);
  const allowed = release >= releases.snapshotMarks ? snapshotMarks : olderMarks;
  const mark = optional({ ...named('string', 'io.debezium.data.Enum', { allowed }), default: '"false"' });
  const origins = release >= releases.origin;
  return struct(
    'io.debezium.connector.postgresql.Source',
    [
      ['version', plain.string],
      ['connector', plain.string],
      ['name', plain.string],
      ['ts_ms', plain.int64],
      ['snapshot', mark],
      ['db', plain.string],
      ['sequence', optionalString],
      ['ts_us', optionalInt64],
      ['ts_ns', optionalInt64],
      ['schema', plain.string],
      ['table', plain.string],
      ['txId', optionalInt64],
      ['lsn', optionalInt64],
      ['xmin', optionalInt64],
      ...(origins
        ? ([
            ['origin', optionalString],
            ['origin_lsn', optionalInt64],
          ] as const)
        : []),
    ],
    release >= releases.sourceVersion ? 1 : undefined,
  );
}

const transactionBlock = optional(
  struct(
    'event.block',
    [
      ['id', plain.string],
      ['total_order', plain.int64],
      ['data_collection_order', plain.int64],
    ],
    1,
  ),
);

/** See debeziumWrap. */
export function envelopeSchema(name: string, row: StructSchema, version: string): StructSchema {
  const image = optional(row);
  return struct(
    name,
    [
      ['before', image],
      ['after', image],
      ['source', sourceSchema(version)],
      ['transaction', transactionBlock],
      ['op', plain.string],
      ['ts_ms', optionalInt64],
      ['ts_us', optionalInt64],
      ['ts_ns', optionalInt64],
    ],
    2,
  );
}

/** See messageValue; `content` is text but with `binary: bytes`. */
export function messageSchemas(version: string, content: 'bytes' | 'string'): RecordSchemas {
  const message = struct(
    'io.debezium.connector.postgresql.Message',
    [
      ['prefix', optionalString],
      ['content', optional(plain[content])],
    ],
    1,
  );
  const withBlock = releaseNumber(version) >= releases.messageTransaction;
  return {
    key: struct('io.debezium.connector.postgresql.MessageKey', [['prefix', optionalString]], 1),
    value: struct(
      'io.debezium.connector.postgresql.MessageValue',
      [
        ['op', plain.string],
        ['ts_ms', optionalInt64],
        ['source', sourceSchema(version)],
        ...(withBlock ? ([['transaction', transactionBlock]] as const) : []),
        ['message', message],
      ],
      1,
    ),
  };
}

/** See TransactionLog. */
export const transactionSchemas: RecordSchemas = {
  key: struct('io.debezium.connector.common.TransactionMetadataKey', [['id', plain.string]], 1),
  value: struct(
    'io.debezium.connector.common.TransactionMetadataValue',
    [
      ['status', plain.string],
      ['id', plain.string],
      ['event_count', optionalInt64],
      [
        'data_collections',
        optional({
          type: 'array',
          items: optional(
            struct(
              'event.collection',
              [
                ['data_collection', plain.string],
                ['event_count', plain.int64],
              ],
              1,
            ),
          ),
        }),
      ],
      ['ts_ms', plain.int64],
    ],
    1,
  ),
};
