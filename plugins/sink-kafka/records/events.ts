import type { DeleteChange, RowChange, UpdateChange } from '../../../core/api/change.ts';
import { type Tuple, UNCHANGED } from '../../../core/postgres/tuple.ts';
import { formatLsn } from '../../../core/postgres/lsn.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import { kafkaError } from '../errors.ts';
import type { Place } from './envelope.ts';
import type { RelationFormat } from './format.ts';
import { completed } from './row.ts';

/** Record headers, as Connect's SimpleHeaderConverter writes them. */
export type Headers = Readonly<Record<string, string>>;
/** Whose place a record goes to: the old row's or the new one's. */
export type Side = 'old' | 'new';
/** Takes a record of the relation in hand. */
export type Emit = (key: string | null, value: string | null, headers: Headers | null, of: Side) => void;

/** Turns one row change into one to three records. */
export function changeRecords(format: RelationFormat, change: RowChange, more: More): void {
  switch (change.kind) {
    case 'insert':
      more.emit(
        format.rows.keyOf(change.after),
        format.put(change.read === true ? 'r' : 'c', null, change.after, more.place()),
        null,
        'new',
      );
      return;
    case 'update':
      return updateRecords(format, change, more);
    case 'delete':
      return deleteRecords(format, change, { ...more, headers: null });
    default:
      change satisfies never;
  }
}

interface More {
  readonly place: () => Place;
  readonly tombstones: boolean;
  readonly emit: Emit;
  /** The new row goes to another place than the old one: told as a key change is. */
  readonly moved?: boolean;
}

/** A key that changes is a delete of the old key and a create of the new one, each with a header that names the other. */
function updateRecords(format: RelationFormat, change: UpdateChange, more: More): void {
  const { rows } = format;
  const after = completed(change.after, change.before, rows.key);
  if (rows.key.some((position) => after[position] === UNCHANGED)) {
    throw kafkaError('PGS5008', 'a key column was not sent as it did not change, and the old row was not sent either', {
      where: { table: relationName(change.relation), lsn: formatLsn(change.lsn) },
    });
  }
  const key = rows.keyOf(after as readonly (string | null)[]);
  const oldKey = change.before === null ? key : rows.keyOf(change.before.tuple);
  const rekeyed = key !== oldKey && oldKey !== null && key !== null;
  if ((rekeyed || more.moved === true) && change.before !== null) {
    const remove: DeleteChange = {
      kind: 'delete',
      relation: change.relation,
      before: change.before,
      tx: change.tx,
      lsn: change.lsn,
    };
    // A row that only moves has no other key to tell of.
    const header = (name: string, tuple: Tuple) => (rekeyed ? { [name]: rows.keyHeader(tuple) } : null);
    const headers = header('__debezium.newkey', after as Tuple);
    deleteRecords(format, remove, { ...more, headers });
    const oldKeyHeader = header('__debezium.oldkey', change.before.tuple);
    more.emit(key, format.put('c', null, after, more.place()), oldKeyHeader, 'new');
    return;
  }
  more.emit(key, format.put('u', change.before, after, more.place()), null, 'new');
}

function deleteRecords(
  format: RelationFormat,
  change: DeleteChange,
  more: More & { readonly headers: Headers | null },
): void {
  const key = format.rows.keyOf(change.before.tuple);
  const value = format.remove(change.before, more.place());
  if (value !== null) more.emit(key, value, more.headers, 'old');
  // Debezium writes one without a key, too, where old rows come whole.
  const tombstone = value === null ? key !== null : more.tombstones && (key !== null || change.before.image === 'full');
  if (tombstone) more.emit(key, null, more.headers, 'old');
  if (key === null && value === null) {
    throw kafkaError('PGS5008', 'a delete of a table without a key has no form here', {
      where: { table: relationName(change.relation), lsn: formatLsn(change.lsn) },
      remedy: 'Set `key` for the table, or `deletes: rewrite`.',
    });
  }
}
