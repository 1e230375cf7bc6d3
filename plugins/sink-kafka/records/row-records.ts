import type { RowChange } from '../../../core/api/change.ts';
import type { WireRow } from '../../../core/api/wire-change.ts';
import { ByteWriter, type Bytes } from '../../../core/base/byte-writer.ts';
import type { RelationFormat } from './format.ts';
import type { Moment } from './moment.ts';
import type { Cells, RowBytes } from './row-bytes.ts';
import { lsnMark, type Template, templateOf } from './template.ts';

/** A record in bytes: the key, then the value. Good until the next one is made. */
export interface EncodedRecord {
  readonly bytes: Buffer;
  /** -1: no key. */
  readonly keyLength: number;
  /** Where the value ends. */
  readonly end: number;
  /** False: a tombstone. */
  readonly hasValue: boolean;
  /** Milliseconds since 1970; absent: when it is written. */
  readonly timestamp?: number | null;
}

/** The new row of an insert, or of an update that tells nothing of the old one, as it came; else null. */
export function newRowOf(change: RowChange): WireRow | null {
  if (change.kind === 'delete' || change.wire === undefined) return null;
  if (change.kind === 'update' && (change.before !== null || change.maybe === true)) return null;
  const { wire, relation } = change;
  return wire.whole && wire.columns === relation.columns.length ? wire : null;
}

const exact = BigInt(Number.MAX_SAFE_INTEGER);

interface Made {
  readonly at: Moment;
  readonly template: Template;
}

/**
 * Makes the records of new rows without a string on the way: what all rows of a transaction have in common is written once,
 * and the values go from the bytes of the source into those of the record. The memory is the same for all records.
 */
export class RowRecords implements EncodedRecord, Bytes {
  readonly #to = new ByteWriter();
  /** By the format of a relation: of the last transaction, for its inserts and updates. */
  readonly #made = new WeakMap<RelationFormat, { c: Made | null; u: Made | null }>();
  keyLength = -1;
  readonly hasValue = true;

  get view(): DataView {
    return this.#to.view;
  }
  get bytes(): Buffer {
    return this.#to.bytes;
  }
  get end(): number {
    return this.#to.at;
  }

  /** A row of the stream. */
  change(
    format: RelationFormat,
    rows: RowBytes,
    change: { readonly op: 'c' | 'u'; readonly row: WireRow; readonly at: Moment; readonly lsn: bigint },
  ): void {
    this.row(rows, rows.locate(change.row), this.#template(format, change.op, change.at), change.lsn);
  }

  /** `lsn` goes where the template leaves room for it. */
  row(rows: RowBytes, cells: Cells, template: Template, lsn: bigint): void {
    const to = this.#to;
    to.clear();
    this.keyLength = rows.key(to, cells) ? to.at : -1;
    const { segments, rows: holes } = template;
    for (let i = 0; i < segments.length; i++) {
      to.raw(segments[i] as Uint8Array);
      if (i === holes.length) break;
      if (holes[i] === true) rows.open(to, cells);
      else if (lsn <= exact) to.digits(Number(lsn));
      else to.text(lsn.toString());
    }
  }

  #template(format: RelationFormat, op: 'c' | 'u', at: Moment): Template {
    let made = this.#made.get(format);
    if (made === undefined) {
      made = { c: null, u: null };
      this.#made.set(format, made);
    }
    let last = made[op];
    if (last === null || last.at !== at) {
      last = { at, template: templateOf(format.template(op, { at, lsn: lsnMark, transaction: 'null' })) };
      made[op] = last;
    }
    return last.template;
  }
}
