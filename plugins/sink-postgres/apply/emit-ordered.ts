import type { DeleteChange, InsertChange, RowChange, UpdateChange } from '../../../core/api/change.ts';
import type { Cell } from '../../../core/postgres/tuple.ts';
import { formatLsn } from '../../../core/postgres/lsn.ts';
import { applyError } from './errors.ts';
import type { TargetShape } from './identity.ts';
import {
  column,
  deleteRow,
  emitInserts,
  type Finder,
  insertRow,
  keyFinder,
  moveRow,
  rowFinder,
  rowsOf,
  setWiseFrom,
  updateRow,
  upsertRow,
} from './statements.ts';
import { cellOf, isSent, isWhole, parametersOf, type Row } from '../../../core/api/wire-change.ts';
import type { Script, Steps } from './round-trip.ts';

/** How changes are written in order. */
export interface OrderedOptions {
  /** `upsert` of on_missing: an update without a row inserts it, a delete without a row is nothing. */
  readonly lenient: boolean;
  /** Runs of inserts may go through COPY. */
  readonly copy: boolean;
}

/** Writes changes of one table one after the other. Runs of inserts go together where that is the same. */
export function* emitOrdered(
  script: Script,
  shape: TargetShape,
  changes: readonly RowChange[],
  options: OrderedOptions,
): Steps {
  for (let i = 0; i < changes.length; i++) {
    const change = changes[i] as RowChange;
    if (change.kind === 'insert' && options.copy) {
      let end = i + 1;
      while (changes[end]?.kind === 'insert') end++;
      if (end - i >= setWiseFrom) {
        yield* emitInserts(script, shape, rowsOf(changes.slice(i, end) as InsertChange[]));
        i = end - 1;
        continue;
      }
    }
    emitOne(script, shape, change, options.lenient);
    if (script.handedOn) yield;
  }
}

/** Writes one change as statements of its own. */
export function emitOne(script: Script, shape: TargetShape, change: RowChange, lenient: boolean): void {
  switch (change.kind) {
    case 'insert':
      if (!isWhole(change.wire ?? change.after)) throw notSent(shape, change);
      script.row(
        insertRow(shape),
        parametersOf(change.wire ?? change.after, shape.filled),
        // Not counted: a trigger of the target may redirect the row, an insert that fails says so.
        'any',
        { table: shape.table.name, change },
      );
      return;
    case 'update':
      emitUpdate(script, shape, change, lenient);
      return;
    case 'delete':
      emitDelete(script, shape, change, lenient);
      return;
    default:
      change satisfies never;
  }
}

function emitDelete(script: Script, shape: TargetShape, change: DeleteChange, lenient: boolean): void {
  const found = find(shape, change, change.before.tuple, 1);
  const expected = lenient || change.maybe === true ? 'any' : 1;
  script.row(deleteRow(shape, found.finder), found.values, expected, { table: shape.table.name, change });
}

function emitUpdate(script: Script, shape: TargetShape, change: UpdateChange, lenient: boolean): void {
  const { table } = shape;
  const origin = { table: table.name, change };
  const after = change.wire ?? change.after;
  const whole = isWhole(after);
  const old: Row = change.before?.tuple ?? after;
  if (change.maybe === true && !whole) throw notSent(shape, change);
  if (whole && (lenient || change.maybe === true)) {
    const found = find(shape, change, old, shape.filled.length + 1);
    const values = [...parametersOf(after, shape.filled), ...found.values];
    script.row(upsertRow(shape, found.finder), values, 'any', origin);
    return;
  }
  const set = shape.filled.filter((i) => isSent(after, i) && !keptKey(shape, change, i));
  const found = find(shape, change, old, set.length + 1);
  const values = [...parametersOf(after, set), ...found.values];
  const moves = set.some((i) => column(table, i).identityAlways);
  script.row((moves ? moveRow : updateRow)(shape, set, found.finder), values, 1, origin);
}

/** Columns that keep their value for sure and need not (identity columns: cannot) be set. */
function keptKey(shape: TargetShape, change: UpdateChange, position: number): boolean {
  const { before } = change;
  const inKey = shape.key?.includes(position) === true;
  if (before === null) return inKey;
  const known = inKey || before.image === 'full';
  return known && before.tuple[position] === cellOf(change.wire ?? change.after, position);
}

/** The finder for a change's old row and its parameters. */
function find(
  shape: TargetShape,
  change: UpdateChange | DeleteChange,
  old: Row,
  first: number,
): { readonly finder: Finder; readonly values: readonly Cell[] } {
  if (shape.key !== null) {
    const { key } = shape;
    if (!key.every((i) => isSent(old, i))) throw notSent(shape, change);
    return { finder: keyFinder(shape, key, first), values: key.map((i) => cellOf(old, i) as Cell) };
  }
  if (change.before?.image !== 'full') {
    throw applyError(
      'PGS3107',
      `an ${change.kind === 'update' ? 'UPDATE' : 'DELETE'} came without a key or an old row`,
      {
        where: { table: shape.table.name, lsn: formatLsn(change.lsn) },
      },
    );
  }
  const cells = shape.filled.map((i) => cellOf(old, i) as Cell);
  const isNull = cells.map((cell) => cell === null);
  return { finder: rowFinder(shape, isNull, first), values: cells.filter((cell) => cell !== null) };
}

function notSent(shape: TargetShape, change: RowChange): Error {
  return applyError('PGS3106', 'a value that this change needs was not sent', {
    where: { table: shape.table.name, lsn: formatLsn(change.lsn) },
  });
}
