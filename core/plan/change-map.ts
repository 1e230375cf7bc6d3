import {
  type Change,
  type DeleteChange,
  type InsertChange,
  type OldImage,
  type PartialTuple,
  type RowChange,
  type Tuple,
  UNCHANGED,
  type UpdateChange,
} from '../api/change.ts';
import type { Projection } from '../api/plan.ts';
import type { Relation } from '../api/relation.ts';
import { planError } from './errors.ts';
import { compileRowMap, type RowMap } from './row-map.ts';

/** What a filter says of a row; `unknown`: the values it reads were not sent. */
type Membership = boolean | 'unknown';

/** Changes of one input relation as changes of one output relation: one change makes one or none. */
export interface ChangeMap {
  readonly output: Relation;
  /** Null: the change has no effect in the output. */
  readonly map: (change: RowChange) => RowChange | null;
  /** Every change comes out as it went in. */
  readonly passes: boolean;
}

/** Columns of both are found by name; `projection` is over the columns of `input`. */
export function compileChangeMap(input: Relation, projection: Projection, output: Relation): ChangeMap {
  const rows = compileRowMap(input.columns, projection);
  if (rows.where === null && rows.same) {
    if (sameNames(input, output)) return { output: input, map: (change) => change, passes: true };
    return { output, map: (change) => relabel(change, output), passes: false };
  }
  const mapping = new Mapping(input, output, rows);
  return { output, map: (change) => mapping.map(change), passes: false };
}

function sameNames(input: Relation, output: Relation): boolean {
  return (
    input.schema === output.schema &&
    input.name === output.name &&
    input.identity.kind === output.identity.kind &&
    input.columns.every((column, i) => column.name === output.columns[i]?.name)
  );
}

/** The cells are the same, only names differ: nothing but the change object is made. */
function relabel(change: RowChange, relation: Relation): RowChange {
  const { tx, lsn } = change;
  switch (change.kind) {
    case 'insert':
      return { kind: 'insert', tx, lsn, relation, after: change.after };
    case 'update': {
      const { before, after } = change;
      return change.maybe === true
        ? { kind: 'update', tx, lsn, relation, before, after, maybe: true }
        : { kind: 'update', tx, lsn, relation, before, after };
    }
    case 'delete':
      return change.maybe === true
        ? { kind: 'delete', tx, lsn, relation, before: change.before, maybe: true }
        : { kind: 'delete', tx, lsn, relation, before: change.before };
    default:
      return change satisfies never;
  }
}

class Mapping {
  readonly #input: Relation;
  readonly #output: Relation;
  readonly #rows: RowMap;
  /** The filter reads only columns of the key: then a key image decides, and an unchanged key means unchanged membership. */
  readonly #whereInKey: boolean;
  readonly #key: readonly number[];

  constructor(input: Relation, output: Relation, rows: RowMap) {
    this.#input = input;
    this.#output = output;
    this.#rows = rows;
    const key = new Set(input.identity.kind === 'key' ? input.identity.positions : []);
    this.#whereInKey = input.identity.kind === 'key' && rows.whereReads.every((at) => key.has(at));
    this.#key = output.identity.kind === 'key' ? output.identity.positions : [];
  }

  map(change: RowChange): RowChange | null {
    switch (change.kind) {
      case 'insert':
        return this.#insert(change);
      case 'update':
        return this.#update(change);
      case 'delete':
        return this.#delete(change);
      default:
        return change satisfies never;
    }
  }

  #insert(change: InsertChange): RowChange | null {
    const { where } = this.#rows;
    if (where !== null && !where(change.after)) return null;
    return insert(change, this.#output, this.#rows.row(change.after));
  }

  #delete(change: DeleteChange): RowChange | null {
    const was = change.maybe === true && this.#rows.where === null ? 'unknown' : this.#was(change.before, false);
    if (was === false) return null;
    const image = this.#image(change.before);
    return remove(change, this.#output, image, was === 'unknown' || change.maybe === true);
  }

  /** in→in UPDATE, in→out DELETE, out→in INSERT, out→out nothing; with the old side unknown both, by key and maybe. */
  #update(change: UpdateChange): RowChange | null {
    const { before, after } = change;
    const old = before?.image === 'full' ? before.tuple : null;
    const holes = hasHoles(after);
    const filled = holes && old !== null ? fill(after, old) : after;
    const now = this.#now(filled);
    const was: Membership = change.maybe === true ? 'unknown' : this.#was(before, now);
    if (!now) {
      if (was === false) return null;
      const image = before === null ? this.#keyImage(after) : this.#image(before);
      return remove(change, this.#output, image, was === 'unknown');
    }
    if (was === false) return insert(change, this.#output, this.#rows.row(this.#whole(filled)));
    const image = before === null ? null : this.#image(before);
    const { tx, lsn } = change;
    const relation = this.#output;
    if (was === 'unknown') {
      const row = this.#rows.row(holes ? this.#whole(filled) : (after as Tuple));
      return { kind: 'update', tx, lsn, relation, before: image, after: row, maybe: true };
    }
    const row = holes ? this.#rows.partial(after, filled) : this.#rows.row(after as Tuple);
    return { kind: 'update', tx, lsn, relation, before: image, after: row };
  }

  #now(after: PartialTuple): boolean {
    const { where, whereReads } = this.#rows;
    if (where === null) return true;
    for (const at of whereReads) {
      if (after[at] === UNCHANGED) throw planError('PGS4011', this.#needsFull('the filter reads'));
    }
    return where(after as Tuple);
  }

  /** Membership of the old row; `unchanged` is the answer where the key did not change and decides alone. */
  #was(before: OldImage | null, unchanged: boolean): Membership {
    const { where } = this.#rows;
    if (where === null) return true;
    if (before === null) return this.#whereInKey ? unchanged : 'unknown';
    return before.image === 'full' || this.#whereInKey ? where(before.tuple) : 'unknown';
  }

  #image(before: OldImage): OldImage {
    if (before.image === 'full') return { image: 'full', tuple: this.#rows.row(before.tuple) };
    return this.#keyImage(before.tuple);
  }

  #keyImage(tuple: PartialTuple): OldImage {
    return { image: 'key', tuple: this.#rows.key(tuple, this.#key) };
  }

  /** A row that may have to be inserted must be whole, as far as the output reads it (I7). */
  #whole(tuple: PartialTuple): Tuple {
    for (const at of this.#rows.reads) {
      if (tuple[at] === UNCHANGED) throw planError('PGS4010', this.#needsFull('the row may enter the output and has'));
    }
    return tuple as Tuple;
  }

  #needsFull(why: string): string {
    return `${why} a value that the UPDATE did not send (table ${this.#input.schema}.${this.#input.name})`;
  }
}

function hasHoles(tuple: PartialTuple): boolean {
  for (let i = 0; i < tuple.length; i++) if (tuple[i] === UNCHANGED) return true;
  return false;
}

/** The old row is whole under REPLICA IDENTITY FULL, so what was not sent is what it was. */
function fill(after: PartialTuple, old: Tuple): Tuple {
  return after.map((cell, i) => (cell === UNCHANGED ? (old[i] ?? null) : cell));
}

function insert(change: Change, relation: Relation, after: Tuple): InsertChange {
  return { kind: 'insert', tx: change.tx, lsn: change.lsn, relation, after };
}

function remove(change: Change, relation: Relation, before: OldImage, maybe: boolean): DeleteChange {
  const { tx, lsn } = change;
  return maybe
    ? { kind: 'delete', tx, lsn, relation, before, maybe: true }
    : { kind: 'delete', tx, lsn, relation, before };
}
