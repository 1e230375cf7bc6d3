import type { InsertChange, RowChange, UpdateChange } from '../../api/change.ts';
import { type RowPlace, WireInsert, WireKind, type WireRow, WireUpdate } from '../../api/wire-change.ts';
import { formatBytes } from '../../base/format.ts';
import { type Cell, type PartialTuple, UNCHANGED, type Unchanged } from '../../postgres/tuple.ts';
import type { Relation } from '../../postgres/relation.ts';
import { planError } from './errors.ts';

/** Bytes: from this size on a value is not turned into a string on its way through transforms that do not read it. */
const largeFrom = 64 << 20;

/**
 * A row with values so large that a string could not hold them, or only at a great cost. The row is mapped with marks
 * in place of the values, and the result is written as a row of the stream again, with the bytes. A mark begins with
 * the character 0, which no text of PostgreSQL holds.
 */
export class LargeRow {
  readonly #wire: WireRow;
  readonly #marks = new Map<string, number>();
  /** The change, with marks. */
  readonly change: InsertChange | UpdateChange;

  private constructor(change: InsertChange | UpdateChange, wire: WireRow) {
    this.#wire = wire;
    const { tx, lsn, relation } = change;
    const after = Array.from({ length: wire.columns }, (_none, i) => this.#marked(i));
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

  /** Null: an ordinary row. */
  static of(change: RowChange): LargeRow | null {
    if (change.kind === 'delete') return null;
    const { wire } = change;
    if (wire === undefined || wire.end - wire.start < largeFrom) return null;
    const row = new LargeRow(change, wire);
    return row.#marks.size === 0 ? null : row;
  }

  #marked(column: number): Cell | Unchanged {
    const size = this.#wire.raw(column)?.length ?? 0;
    if (size < largeFrom) return this.#wire.cell(column);
    const mark = `\0${column}`;
    this.#marks.set(mark, column);
    return mark;
  }

  /** Throws PGS4030 if an expression reads a value that is only a mark. */
  refuseReads(positions: readonly number[]): void {
    const column = [...this.#marks.values()].find((at) => positions.includes(at));
    if (column === undefined) return;
    const { schema, name, columns } = this.change.relation;
    const size = formatBytes(this.#wire.raw(column)?.length ?? 0);
    throw planError('PGS4030', `a transform reads ${columns[column]?.name ?? ''}, whose text takes ${size}`, {
      where: { table: `${schema}.${name}` },
    });
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
    const column = this.#marks.get(cell);
    const bytes = column === undefined ? Buffer.from(cell) : (this.#wire.raw(column) as Buffer);
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
