import type { InsertChange, OldImage, PartialTuple, TransactionInfo, Tuple, UpdateChange } from './change.ts';
import type { Relation } from './relation.ts';
import type { WireRow } from './wire-row.ts';

/** What changes have in common, in the order of the stream. */
export interface ChangeOf {
  readonly relation: Relation;
  readonly tx: TransactionInfo;
  readonly lsn: bigint;
}

/** An insert whose row is read only when somebody asks for its values: `after` is computed, so spreading the change leaves it out. */
export class WireInsert implements InsertChange {
  readonly kind = 'insert';
  readonly relation: Relation;
  readonly tx: TransactionInfo;
  readonly lsn: bigint;
  readonly wire: WireRow;

  constructor(of: ChangeOf, wire: WireRow) {
    this.relation = of.relation;
    this.tx = of.tx;
    this.lsn = of.lsn;
    this.wire = wire;
  }

  get after(): Tuple {
    return this.wire.cells() as Tuple;
  }
}

/** An update whose new row is read only when somebody asks for its values, see {@link WireInsert}. */
export class WireUpdate implements UpdateChange {
  readonly kind = 'update';
  readonly relation: Relation;
  readonly tx: TransactionInfo;
  readonly lsn: bigint;
  readonly before: OldImage | null;
  readonly wire: WireRow;

  constructor(of: ChangeOf, before: OldImage | null, wire: WireRow) {
    this.relation = of.relation;
    this.tx = of.tx;
    this.lsn = of.lsn;
    this.before = before;
    this.wire = wire;
  }

  get after(): PartialTuple {
    return this.wire.cells();
  }
}
