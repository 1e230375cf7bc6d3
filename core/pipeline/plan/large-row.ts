import { constants } from 'node:buffer';
import type { InsertChange, RowChange, UpdateChange } from '../../api/change.ts';
import { type Row, cellOf, type RowPlace, WireInsert, WireKind, WireRow, WireUpdate } from '../../api/wire-change.ts';
import { formatBytes } from '../../base/format.ts';
import { type Cell, type PartialTuple, UNCHANGED, type Unchanged } from '../../postgres/tuple.ts';
import type { Relation } from '../../postgres/relation.ts';
import type { Fetched } from './change-map.ts';
import { planError } from './errors.ts';

/** Bytes: from this size on a value is not turned into a string on its way through transforms that do not read it. */
const largeFrom = 64 << 20;

interface Large {
  readonly column: number;
  /** Of its text. */
  readonly bytes: Buffer;
}

/**
 * A row with values so large that a string could not hold them, or only at a great cost. The row is mapped with marks
 * in place of the values, and the result is written as a row of the stream again, with the bytes. A mark begins with
 * the character 0, which no text of PostgreSQL holds.
 */
export class LargeRow {
  readonly #row: Row;
  readonly #read: ReadonlySet<number>;
  readonly #marks = new Map<string, Large>();
  /** The change, with marks. */
  readonly change: InsertChange | UpdateChange;
  /** Its new row with the values that were fetched, with marks; null: no row has its key any longer. */
  readonly filled: PartialTuple | null | undefined;

  private constructor(change: InsertChange | UpdateChange, read: ReadonlySet<number>, fetched: Fetched | undefined) {
    this.#row = change.wire ?? change.after;
    this.#read = read;
    const { tx, lsn, relation } = change;
    const after = relation.columns.map((_column, i) => this.#marked(i));
    this.filled = fetched && after.map((cell, i) => (cell === UNCHANGED ? this.#fetched(i, fetched) : cell));
    this.change =
      change.kind === 'insert'
        ? { kind: 'insert', tx, lsn, relation, after: after as readonly Cell[] }
        : {
            kind: 'update',
            tx,
            lsn,
            relation,
            before: change.before,
            after,
            ...(change.maybe === true ? { maybe: true } : {}),
          };
  }

  /** Null: an ordinary row. `read`: positions of values that are not only passed on. */
  static of(change: RowChange, read: ReadonlySet<number>, fetched?: Fetched): LargeRow | null {
    if (change.kind === 'delete') return null;
    const { wire } = change;
    const isSent = wire !== undefined && wire.end - wire.start >= largeFrom;
    if (!isSent && !fetched?.row.some((cell) => Buffer.isBuffer(cell))) return null;
    const row = new LargeRow(change, read, fetched);
    return row.#marks.size === 0 ? null : row;
  }

  #marked(column: number): Cell | Unchanged {
    const bytes = this.#row instanceof WireRow ? this.#row.raw(column) : null;
    const from = this.#read.has(column) ? constants.MAX_STRING_LENGTH : largeFrom;
    if (bytes === null || bytes.length < from) return cellOf(this.#row, column);
    return this.#mark({ column, bytes });
  }

  #fetched(column: number, { columns, row }: NonNullable<Fetched>): Cell | Unchanged {
    const at = columns.indexOf(column);
    const cell = at === -1 ? UNCHANGED : (row[at] ?? null);
    return Buffer.isBuffer(cell) ? this.#mark({ column, bytes: cell }) : cell;
  }

  #mark(large: Large): Cell {
    const mark = `\0${large.column}`;
    this.#marks.set(mark, large);
    return mark;
  }

  /** Throws PGS4030 if an expression reads a value that is only a mark. */
  refuseReads(): void {
    const large = [...this.#marks.values()].find(({ column }) => this.#read.has(column));
    if (large === undefined) return;
    const { schema, name, columns } = this.change.relation;
    const { column, bytes } = large;
    throw planError(
      'PGS4030',
      `a transform reads ${columns[column]?.name ?? ''}, whose text takes ${formatBytes(bytes.length)}`,
      {
        where: { table: `${schema}.${name}` },
      },
    );
  }

  /** The mapped change, with the bytes in place of the marks. */
  written(mapped: RowChange | null): RowChange | null {
    if (mapped === null || mapped.kind === 'delete') return mapped;
    const { relation, tx, lsn } = mapped;
    const place = this.#place(mapped.after, lsn);
    if (mapped.kind === 'insert') return new WireInsert(place, relation, tx);
    const row = new WireUpdate(place, relation, { tx, before: mapped.before });
    return mapped.maybe === true ? maybe(row, relation) : row;
  }

  #place(cells: PartialTuple, lsn: bigint): RowPlace {
    const parts = cells.map((cell) => this.#bytesOf(cell));
    const position = Buffer.alloc(8);
    position.writeBigUInt64BE(lsn);
    const buffer = Buffer.concat([position, ...parts]);
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    const whole = !cells.includes(UNCHANGED);
    return { buffer, view, columns: cells.length, start: 8, end: buffer.length, whole, lsnAt: 0 };
  }

  #bytesOf(cell: Cell | Unchanged): Buffer {
    if (cell === null) return Buffer.of(WireKind.null);
    if (cell === UNCHANGED) return Buffer.of(WireKind.unchanged);
    const bytes = this.#marks.get(cell)?.bytes ?? Buffer.from(cell);
    const value = Buffer.allocUnsafe(5 + bytes.length);
    value[0] = WireKind.text;
    value.writeInt32BE(bytes.length, 1);
    bytes.copy(value, 5);
    return value;
  }
}

function maybe(row: WireUpdate, relation: Relation): UpdateChange {
  const { tx, lsn, before } = row;
  return {
    kind: 'update',
    tx,
    lsn,
    relation,
    before,
    maybe: true,
    wire: row,
    get after() {
      return row.after;
    },
  };
}
