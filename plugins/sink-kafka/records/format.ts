import type { OldImage } from '../../../core/api/change.ts';
import type { PartialTuple, Tuple } from '../../../core/postgres/tuple.ts';
import type { Op, Place, Wrap } from './envelope.ts';
import { jsonString } from './json.ts';
import { lsnTold } from './moment.ts';
import { flatSchema, type RecordSchemas, type RowSchemas } from '../schemas/record-schemas.ts';
import type { RowEncoder } from './row.ts';
import { rowMark } from './template.ts';

/** Values of the records of one relation, JSON text; null is a record without value (a tombstone). */
export interface RelationFormat {
  readonly rows: RowEncoder;
  /** Null: the format has none. */
  readonly schemas: RecordSchemas | null;
  put(op: 'r' | 'c' | 'u', before: OldImage | null, after: PartialTuple, place: Place): string;
  /** What {@link put} gives for a new row alone, with {@link rowMark} in the place of {@link RowEncoder.open}. */
  template(op: 'r' | 'c' | 'u', place: Place): string;
  remove(before: OldImage, place: Place): string | null;
  /** Null: this format has no form for it. */
  truncate(place: Place): string | null;
}

/** A row image of an old row: whole where it was sent whole. */
function oldRow(rows: RowEncoder, before: OldImage): string {
  return before.image === 'full' ? rows.row(before.tuple) : rows.keyImage(before.tuple);
}

/** Formats with `before` and `after` in an envelope. */
export function envelopeFormat(rows: RowEncoder, wrap: Wrap, schemas: RecordSchemas | null): RelationFormat {
  return {
    rows,
    schemas,
    put: (op, before, after, place) =>
      wrap(
        op,
        {
          // An old key whose record has the same key, as 1.50 and 1.5 have, is told of all the same.
          before: before === null ? 'null' : oldRow(rows, before),
          after: rows.row(after),
        },
        place,
      ),
    template: (op, place) => wrap(op, { before: 'null', after: `${rowMark}}` }, place),
    remove: (before, place) => wrap('d', { before: oldRow(rows, before), after: 'null' }, place),
    truncate: (place) => wrap('t', { before: 'null', after: 'null' }, place),
  };
}

export type FlatField = 'op' | 'schema' | 'table' | 'lsn' | 'source_ts_ms' | 'tx_id' | 'deleted';

/** The row itself with the members that the file asks for; a delete is a tombstone, or the old row marked as deleted. */
export function flatFormat(
  rows: RowEncoder,
  options: { readonly fields: readonly FlatField[]; readonly deletes: 'tombstone' | 'rewrite' },
  row: RowSchemas,
): RelationFormat {
  const { schema, name } = rows.relation;
  const rewrite = options.deletes === 'rewrite';
  const fields = options.fields.filter((field) => field !== 'deleted');
  const marked = rewrite || options.fields.includes('deleted');
  const schemas = { key: row.key, value: flatSchema(row.value, fields, marked) };
  function value(row: string, op: Op, place: Place): string {
    let out = row;
    if (marked) out += `,"__deleted":"${op === 'd'}"`;
    for (const field of fields) out += member(field, op, place);
    // A row without columns has no member before the first comma.
    return `${out.startsWith('{,') ? `{${out.slice(2)}` : out}}`;
  }
  function member(field: FlatField, op: Op, place: Place): string {
    if (field === 'op') return `,"__op":"${op}"`;
    if (field === 'schema') return `,"__schema":${jsonString(schema)}`;
    if (field === 'table') return `,"__table":${jsonString(name)}`;
    if (field === 'lsn') return `,"__lsn":${lsnTold(place.at, place.lsn)}`;
    if (field === 'tx_id') return `,"__tx_id":${place.at.txId}`;
    return `,"__source_ts_ms":${place.at.ms}`;
  }
  const old = (before: OldImage): string => oldRow(rows, before).slice(0, -1);
  return {
    rows,
    schemas,
    put: (op, _before, after, place) => value(rows.open(after), op, place),
    template: (op, place) => value(rowMark, op, place),
    remove: (before, place) => (rewrite ? value(old(before), 'd', place) : null),
    truncate: () => null,
  };
}

/** Needed by formats to read a snapshot's row as a change would be. */
export function readValue(format: RelationFormat, row: Tuple, place: Place): string {
  return format.put('r', null, row, place);
}
