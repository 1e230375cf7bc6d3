import type { InsertChange, OldImage, TransactionInfo, UpdateChange } from './change.ts';
import type { PartialTuple, Tuple } from '../postgres/tuple.ts';
import type { Relation } from '../postgres/relation.ts';
import { type RowBounds, WireRow } from '../postgres/wire-row.ts';

/** Where a new row of the stream lies in memory. */
export interface RowPlace extends RowBounds {
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly columns: number;
  /** Offset of the position that its message names, eight bytes. */
  readonly lsnAt: number;
}

/**
 * A change with a new row, and that row: one object for both, as one of these is made for every change and lives until it is
 * applied. Values and position are read when somebody asks for them; being computed, they are not there in a spread copy.
 */
abstract class WireChange extends WireRow {
  readonly relation: Relation;
  readonly tx: TransactionInfo;
  readonly lsnAt: number;

  constructor(place: RowPlace, relation: Relation, tx: TransactionInfo) {
    super(place, place.columns, place);
    this.relation = relation;
    this.tx = tx;
    this.lsnAt = place.lsnAt;
  }

  get lsn(): bigint {
    return this.view.getBigUint64(this.lsnAt);
  }

  get wire(): this {
    return this;
  }

  get buffer(): Buffer {
    return this.bytes;
  }
}

export class WireInsert extends WireChange implements InsertChange {
  readonly kind = 'insert';

  get after(): Tuple {
    return this.cells() as Tuple;
  }
}

export class WireUpdate extends WireChange implements UpdateChange {
  readonly kind = 'update';
  readonly before: OldImage | null;

  constructor(
    place: RowPlace,
    relation: Relation,
    of: { readonly tx: TransactionInfo; readonly before: OldImage | null },
  ) {
    super(place, relation, of.tx);
    this.before = of.before;
  }

  get after(): PartialTuple {
    return this.cells();
  }
}
