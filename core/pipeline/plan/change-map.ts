import type { Change, DeleteChange, InsertChange, OldImage, RowChange, UpdateChange } from '../../api/change.ts';
import { type Cell, type FetchedCell, type PartialTuple, type Tuple, UNCHANGED } from '../../postgres/tuple.ts';
import type { Projection } from '../../api/plan.ts';
import type { Relation } from '../../postgres/relation.ts';
import { WireInsert, WireUpdate } from '../../api/wire-change.ts';
import { planError } from './errors.ts';
import { LargeRow } from './large-row.ts';
import { compileRowMap, type Predicate, type RowMap } from './row-map.ts';

/** A filter's result for a row; `unknown`: values that the filter reads were not sent. */
type Membership = boolean | 'unknown';

/** Values that were fetched for an UPDATE, of the columns at these positions; null: no row has its key any longer. */
export type Fetched = { readonly columns: readonly number[]; readonly row: readonly FetchedCell[] } | null;

export interface ChangeMapOptions {
  /** Values that were not sent are fetched: rows may then appear and disappear earlier or later than in the stream. */
  readonly refetch?: boolean;
  /** The reader of the output needs whole rows. */
  readonly whole?: boolean;
}

/** Changes of one input relation as changes of one output relation: one change makes one or none. */
export interface ChangeMap {
  readonly output: Relation;
  /** Null: the change has no effect in the output. `fetched`: see {@link Fetched}. */
  readonly map: (change: RowChange, fetched?: Fetched) => RowChange | null;
  /** Input positions of values that were not sent and are needed; null: none. Never called without `refetch`. */
  readonly lacks: (change: UpdateChange) => readonly number[] | null;
  /** Every change is output unchanged. */
  readonly passes: boolean;
}

/** Columns of both are found by name; `projection` is over the columns of `input`. */
export function compileChangeMap(
  input: Relation,
  projection: Projection,
  output: Relation,
  options: ChangeMapOptions = {},
): ChangeMap {
  const rows = compileRowMap(input.columns, projection);
  const completes = options.refetch === true && options.whole === true;
  if (rows.where === null && rows.same && !completes) {
    const lacks = () => null;
    if (sameNames(input, output)) return { output: input, map: (change) => change, lacks, passes: true };
    return { output, map: (change) => relabel(change, output), lacks, passes: false };
  }
  const mapping = new Mapping({ input, output, rows, options });
  return {
    output,
    map: (change, fetched) => mapping.map(change, fetched),
    lacks: (change) => mapping.lacks(change),
    passes: false,
  };
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
      if (change.wire !== undefined) return new WireInsert(change.wire, relation, tx);
      return insert(change, relation, change.after);
    case 'update': {
      const { before } = change;
      if (change.wire !== undefined && change.maybe !== true)
        return new WireUpdate(change.wire, relation, { tx, before });
      const { after } = change;
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

interface MappingParts {
  readonly input: Relation;
  readonly output: Relation;
  readonly rows: RowMap;
  readonly options: ChangeMapOptions;
}

class Mapping {
  readonly #input: Relation;
  readonly #output: Relation;
  readonly #rows: RowMap;
  /** The filter reads only columns of the key: then a key image decides, and an unchanged key means unchanged membership. */
  readonly #whereInKey: boolean;
  readonly #key: readonly number[];
  readonly #refetch: boolean;
  readonly #wantsWhole: boolean;
  /** Positions whose values are read, not only passed on. */
  readonly #read: ReadonlySet<number>;

  constructor({ input, output, rows, options }: MappingParts) {
    this.#refetch = options.refetch === true;
    this.#wantsWhole = options.whole === true;
    this.#input = input;
    this.#output = output;
    this.#rows = rows;
    const key = new Set(input.identity.kind === 'key' ? input.identity.positions : []);
    this.#whereInKey = input.identity.kind === 'key' && rows.whereReads.every((at) => key.has(at));
    this.#key = output.identity.kind === 'key' ? output.identity.positions : [];
    this.#read = new Set([...rows.whereReads, ...rows.computed.flat(), ...(this.#wantsWhole ? rows.reads : [])]);
  }

  map(change: RowChange, fetched?: Fetched): RowChange | null {
    const large = LargeRow.of(change, this.#read, fetched);
    if (large === null) return this.#mapped(change, fetched && complete((change as UpdateChange).after, fetched));
    large.refuseReads();
    return large.written(this.#mapped(large.change, large.filled));
  }

  /** `filled`: the new row of an UPDATE with the values that were fetched for it. */
  #mapped(change: RowChange, filled?: PartialTuple | null): RowChange | null {
    switch (change.kind) {
      case 'insert':
        return this.#insert(change);
      case 'update':
        return this.#update(change, filled);
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
  #update(change: UpdateChange, fetched?: PartialTuple | null): RowChange | null {
    const { before, after } = change;
    if (fetched === null) return this.#updateOfGone(change);
    const old = before?.image === 'full' ? before.tuple : null;
    const holes = hasHoles(after);
    const filled = holes && old !== null ? fill(after, old) : (fetched ?? after);
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
    if (fetched !== undefined)
      return { kind: 'update', tx, lsn, relation, before: image, after: this.#fetched(change, fetched) };
    const row = holes ? this.#rows.partial(after, filled) : this.#rows.row(after as Tuple);
    return { kind: 'update', tx, lsn, relation, before: image, after: row };
  }

  #fetched({ before, after }: UpdateChange, fetched: PartialTuple): PartialTuple {
    if (this.#wantsWhole) return this.#rows.row(this.#whole(fetched));
    return this.#rows.partial(after, fetched, before === null ? 'sent' : 'moved');
  }

  /** The row was deleted or got another key later: the stream will bring that change, with whole rows. */
  #updateOfGone(change: UpdateChange): RowChange {
    const { tx, lsn, before, after } = change;
    const image = before === null ? null : this.#image(before);
    if (this.#rows.where !== null || this.#wantsWhole) {
      return remove(change, this.#output, image ?? this.#keyImage(after), true);
    }
    const row = this.#rows.partial(after, after, 'gone');
    return { kind: 'update', tx, lsn, relation: this.#output, before: image, after: row };
  }

  lacks(change: UpdateChange): readonly number[] | null {
    const { before, after } = (LargeRow.of(change, this.#read)?.change ?? change) as UpdateChange;
    if (before?.image === 'full' || !hasHoles(after)) return null;
    const { where, whereReads, reads, computed } = this.#rows;
    const missing = (at: number) => after[at] === UNCHANGED;
    if (where === null && !this.#wantsWhole) {
      const wanting = computed.filter((of) => of.some(missing) && (before !== null || !of.every(missing)));
      return someOf(wanting.flat().filter(missing));
    }
    if (where !== null && !whereReads.some(missing) && !passes(where, after as Tuple)) return null;
    return someOf([...whereReads, ...reads].filter(missing));
  }

  #now(after: PartialTuple): boolean {
    const { where, whereReads } = this.#rows;
    if (where === null) return true;
    for (const at of whereReads) {
      if (after[at] === UNCHANGED) throw planError('PGS4011', this.#needsFull('the filter reads'));
    }
    return where(after as Tuple);
  }

  /** Membership of the old row; `unchanged` is the result if the key did not change and decides alone. */
  #was(before: OldImage | null, unchanged: boolean): Membership {
    const { where } = this.#rows;
    if (where === null) return true;
    if (before?.image === 'full') return where(before.tuple);
    if (!this.#whereInKey) return 'unknown';
    const was = before === null ? unchanged : where(before.tuple);
    // A row that was gone when its values were fetched was left out.
    return was && this.#refetch ? 'unknown' : was;
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

const someOf = (positions: readonly number[]) => (positions.length === 0 ? null : [...new Set(positions)]);

/** The error is left to the mapping of the change, which raises it again. */
function passes(where: Predicate, row: Tuple): boolean {
  try {
    return where(row);
  } catch {
    return false;
  }
}

function hasHoles(tuple: PartialTuple): boolean {
  for (let i = 0; i < tuple.length; i++) if (tuple[i] === UNCHANGED) return true;
  return false;
}

/** The old row is whole under REPLICA IDENTITY FULL, so a value that was not sent equals the old one. */
function fill(after: PartialTuple, old: Tuple): Tuple {
  return after.map((cell, i) => (cell === UNCHANGED ? (old[i] ?? null) : cell));
}

function complete(after: PartialTuple, { columns, row }: NonNullable<Fetched>): PartialTuple {
  const cells = [...after];
  columns.forEach((at, i) => {
    if (cells[at] === UNCHANGED) cells[at] = row[i] as Cell;
  });
  return cells;
}

function insert(change: Change, relation: Relation, after: Tuple): InsertChange {
  const { tx, lsn } = change;
  if (change.kind === 'insert' && change.read === true) return { kind: 'insert', tx, lsn, relation, after, read: true };
  return { kind: 'insert', tx, lsn, relation, after };
}

function remove(change: Change, relation: Relation, before: OldImage, maybe: boolean): DeleteChange {
  const { tx, lsn } = change;
  return maybe
    ? { kind: 'delete', tx, lsn, relation, before, maybe: true }
    : { kind: 'delete', tx, lsn, relation, before };
}
