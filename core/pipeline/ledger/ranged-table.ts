import type { DeleteChange, InsertChange, RowChange, UpdateChange } from '../../api/change.ts';
import type { SnapshotLsn } from '../../postgres/lsn.ts';
import { type Relation, relationName } from '../../postgres/relation.ts';
import { type PartialTuple, type Tuple, UNCHANGED } from '../../postgres/tuple.ts';
import { runtimeError } from '../errors.ts';
import { type Key, KeyOrder } from './key-order.ts';

/** A table that was copied in ranges of its key, each exact at a position of its own. */
export interface Ranges {
  /** The key's columns by name, in the order of its index. */
  readonly columns: readonly string[];
  /** Where a range ends and the next begins: range i holds the keys from bound i - 1 up to, not including, bound i. */
  readonly bounds: readonly Tuple[];
  /** One more than bounds. */
  readonly exact: readonly SnapshotLsn[];
}

/** Where the key stands in rows of one shape, and how keys compare there. */
interface Shape {
  readonly positions: readonly number[];
  readonly order: KeyOrder;
  readonly bounds: readonly Key[];
}

/**
 * Says what the copy of such a table lacks of a change (I5). A range has a change of a row iff it was committed below the range's
 * position. A row that an UPDATE moves to another range leaves one and enters the other: where one of the two has the change
 * already, what is left of it is a DELETE or an INSERT.
 */
export class RangedTable {
  readonly lowest: bigint;
  readonly highest: bigint;
  readonly #ranges: Ranges;
  readonly #shapes = new WeakMap<Relation, Shape>();

  constructor(ranges: Ranges) {
    this.#ranges = ranges;
    const [first, ...rest] = ranges.exact;
    let [lowest, highest]: [bigint, bigint] = [first!, first!];
    for (const at of rest) {
      if (at < lowest) lowest = at;
      if (at > highest) highest = at;
    }
    this.lowest = lowest;
    this.highest = highest;
  }

  /** Null: the copy has all of it. */
  left(change: RowChange): RowChange | null {
    const at = change.tx.finalLsn;
    if (at >= this.highest) return change;
    if (at < this.lowest) return null;
    switch (change.kind) {
      case 'insert':
        return this.#has(change, change.after) ? null : change;
      case 'delete':
        return this.#has(change, change.before.tuple) ? null : change;
      case 'update':
        return this.#update(change);
      default:
        return change satisfies never;
    }
  }

  /** A table that was emptied between the positions was copied again from its start, so none of this kind is left to be judged. */
  hasTruncate(relation: Relation, at: bigint): boolean {
    if (at < this.lowest) return true;
    if (at >= this.highest) return false;
    throw unplaceable(relation, 'a TRUNCATE lies between the positions of its ranges');
  }

  #update(change: UpdateChange): RowChange | null {
    const { before, after } = change;
    const now = merged(after, before?.tuple ?? null);
    const hasNew = this.#has(change, now);
    const hasOld = before === null ? hasNew : this.#has(change, before.tuple);
    if (hasOld && hasNew) return null;
    if (hasOld === hasNew) return change;
    const { tx, lsn, relation } = change;
    if (hasNew) return { kind: 'delete', tx, lsn, relation, before: before! } satisfies DeleteChange;
    const row = before?.image === 'full' ? now : after;
    if (row.includes(UNCHANGED)) {
      const why = 'an UPDATE moved a row into a range that was copied before, and did not send all of its values';
      throw unplaceable(relation, why);
    }
    return { kind: 'insert', tx, lsn, relation, after: row as Tuple } satisfies InsertChange;
  }

  #has(change: RowChange, row: PartialTuple): boolean {
    const { positions, order, bounds } = this.#shapeOf(change.relation);
    const cells = positions.map((at) => row[at] ?? null);
    if (cells.some((cell) => typeof cell !== 'string'))
      throw unplaceable(change.relation, `the ${change.kind} does not carry the key by which the table was copied`);
    const key = order.read(cells as Tuple);
    // The first bound beyond the key ends its range.
    let [low, high] = [0, bounds.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (order.compare(bounds[middle]!, key) > 0) high = middle;
      else low = middle + 1;
    }
    return change.tx.finalLsn < this.#ranges.exact[low]!;
  }

  #shapeOf(relation: Relation): Shape {
    const known = this.#shapes.get(relation);
    if (known !== undefined) return known;
    const positions = this.#ranges.columns.map((name) => relation.columns.findIndex((column) => column.name === name));
    const { identity } = relation;
    const inOld = identity.kind !== 'key' || positions.every((at) => identity.positions.includes(at));
    if (positions.includes(-1) || !inOld) {
      const key = this.#ranges.columns.join(', ');
      throw unplaceable(relation, `(${key}), by which it was copied, is not in its replica identity`);
    }
    const order = new KeyOrder(positions.map((at) => relation.columns[at]!));
    const shape = { positions, order, bounds: this.#ranges.bounds.map((cells) => order.read(cells)) };
    this.#shapes.set(relation, shape);
    return shape;
  }
}

/** A key column that was large and did not change is in the old image only; under REPLICA IDENTITY FULL so is all that was not sent. */
function merged(after: PartialTuple, old: Tuple | null): PartialTuple {
  return old === null ? after : after.map((cell, i) => (cell === UNCHANGED ? (old[i] ?? null) : cell));
}

function unplaceable(relation: Relation, why: string): Error {
  const table = relationName(relation);
  return runtimeError('PGS3200', `table ${table} was copied in ranges, and ${why}`, { where: { table } });
}
