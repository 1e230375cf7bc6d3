import { type Cell, type PartialTuple, type Tuple, UNCHANGED, type Unchanged } from '../../postgres/tuple.ts';
import type { Expr } from '../../expr/expr.ts';
import type { OutputColumn, Projection } from '../../api/plan.ts';
import type { Column } from '../../postgres/relation.ts';
import { compilePredicate, compileValue } from '../../expr/compile.ts';
import { columnsOf } from '../../expr/tree.ts';
import { planError } from './errors.ts';

/** A compiled filter: true where the row is kept (SQL TRUE; FALSE and NULL drop it). */
export type Predicate = (row: PartialTuple) => boolean;
/** A compiled expression: the server's text output of the value. */
export type Value = (row: PartialTuple) => Cell;

/** Where one output cell comes from: an input position, or a function over the input and the positions it reads. */
type Slot =
  | { readonly kind: 'copy'; readonly at: number }
  | { readonly kind: 'compute'; readonly of: Value; readonly reads: readonly number[]; readonly name: string };

/**
 * `sent`: a value that depends only on values that were not sent is unchanged. `moved`: it may belong to a row fetched
 * for another key, so it is computed again. `gone`: the row could not be fetched, so a value that cannot be computed
 * stays.
 */
export type PartialOf = 'sent' | 'moved' | 'gone';

/** A projection compiled for rows of one shape. Columns are found by name. */
export interface RowMap {
  /** Null if all rows pass. */
  readonly where: Predicate | null;
  /** Input positions that the filter reads. */
  readonly whereReads: readonly number[];
  /** Input positions that the output is made of. */
  readonly reads: readonly number[];
  /** Of each computed output cell, the input positions that it reads. */
  readonly computed: readonly (readonly number[])[];
  /** Output cells are the input's cells, in the same places. */
  readonly same: boolean;
  /** Maps a row that was sent whole. */
  row(tuple: Tuple): Tuple;
  /**
   * Maps a row with values that were not sent. `filled` is the row with those values known, else the same row: a
   * computed cell reads it, a copied one stays UNCHANGED. Throws PGS4011.
   */
  partial(tuple: PartialTuple, filled: PartialTuple, of?: PartialOf): PartialTuple;
  /** Maps a key image: only `positions` of the output are computed, the others are null. */
  key(tuple: PartialTuple, positions: readonly number[]): Tuple;
}

export function compileRowMap(columns: readonly Column[], projection: Projection): RowMap {
  const at = new Map(columns.map((column, position) => [column.name, position]));
  const position = (name: string): number => {
    const found = at.get(name);
    if (found === undefined) throw planError('PGS4001', `there is no column ${name}`);
    return found;
  };
  const slots = projection.columns.map((output) => slotOf(output, position));
  const same = slots.length === columns.length && slots.every((slot, i) => slot.kind === 'copy' && slot.at === i);
  return {
    where: projection.where === null ? null : compilePredicate(projection.where, position),
    whereReads: reads(projection.where, position),
    reads: [...new Set(slots.flatMap((slot) => (slot.kind === 'copy' ? [slot.at] : slot.reads)))],
    computed: slots.flatMap((slot) => (slot.kind === 'copy' ? [] : [slot.reads])),
    same,
    row: same ? (tuple) => tuple : wholeRow(slots),
    partial: same ? (tuple) => tuple : (tuple, filled, of) => slots.map((slot) => partialCell(slot, tuple, filled, of)),
    key: (tuple, positions) => keyImage(slots, tuple, positions),
  };
}

function slotOf(output: OutputColumn, position: (name: string) => number): Slot {
  if (output.from !== null) return { kind: 'copy', at: position(output.from) };
  return {
    kind: 'compute',
    of: compileValue(output.expr, position),
    reads: reads(output.expr, position),
    name: output.name,
  };
}

function reads(expr: Expr | null, position: (name: string) => number): readonly number[] {
  return expr === null ? [] : [...columnsOf(expr)].map(position);
}

function wholeRow(slots: readonly Slot[]): (tuple: Tuple) => Tuple {
  const width = slots.length;
  return (tuple) => {
    const out: Cell[] = [];
    for (let i = 0; i < width; i++) {
      const slot = slots[i] as Slot;
      out.push(slot.kind === 'copy' ? (tuple[slot.at] as Cell) : slot.of(tuple));
    }
    return out;
  };
}

/**
 * A value that reads only unchanged values is unchanged itself; one that also reads changed values needs those that
 * were not sent.
 */
function partialCell(slot: Slot, tuple: PartialTuple, filled: PartialTuple, of: PartialOf = 'sent'): Cell | Unchanged {
  if (slot.kind === 'copy') return tuple[slot.at] as Cell | Unchanged;
  let unchanged = 0;
  for (const at of slot.reads) if (tuple[at] === UNCHANGED) unchanged++;
  if (unchanged > 0 && (of === 'gone' || (of === 'sent' && unchanged === slot.reads.length))) return UNCHANGED;
  if (unchanged > 0 && filled === tuple) {
    throw planError('PGS4011', `column ${slot.name} is computed from a value that the UPDATE did not send`);
  }
  return slot.of(filled as Tuple);
}

function keyImage(slots: readonly Slot[], tuple: PartialTuple, positions: readonly number[]): Tuple {
  const out: Cell[] = slots.map(() => null);
  for (const at of positions) {
    const slot = slots[at] as Slot;
    const cell = slot.kind === 'copy' ? (tuple[slot.at] as Cell | Unchanged) : slot.of(tuple as Tuple);
    if (cell === UNCHANGED) throw planError('PGS4011', 'a value of the key was not sent');
    out[at] = cell;
  }
  return out;
}
