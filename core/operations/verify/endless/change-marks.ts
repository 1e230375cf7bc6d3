import type { Change, RowChange, StreamBatch } from '../../../api/change.ts';
import type { TablePlan } from '../../../api/plan.ts';
import { integerOf, type Row } from '../../../api/wire-change.ts';
import { oidsOf } from '../../../postgres/oids.ts';
import { relationName, type Relation } from '../../../postgres/relation.ts';
import type { TableQueries } from '../queries.ts';
import type { Part, TableCheck } from './table-check.ts';

const integers = oidsOf('int2', 'int4', 'int8');

/** Notes which ranges of a table the stream changes. Of keys that do not begin with an integer, all of them. */
export class ChangeMarks {
  #tables: ReadonlyMap<string, readonly Marker[]> = new Map();
  #last: { readonly relation: Relation; readonly markers: readonly Marker[] } | null = null;

  watch(
    tables: readonly { readonly check: TableCheck; readonly plan: TablePlan; readonly queries: TableQueries }[],
  ): void {
    const found = new Map<string, Marker[]>();
    for (const { check, plan, queries } of tables) {
      const name = relationName(plan.source);
      const markers = found.get(name) ?? [];
      markers.push(new Marker(check, firstColumn(plan, queries)));
      found.set(name, markers);
    }
    this.#tables = found;
    this.#last = null;
  }

  see({ changes, values }: StreamBatch): void {
    for (const change of changes) this.#change(change, values === 'binary');
  }

  #change(change: Change, binary: boolean): void {
    if (change.kind === 'message') return;
    if (change.kind === 'truncate') {
      for (const relation of change.relations)
        for (const marker of this.#tables.get(relationName(relation)) ?? [])
          marker.check.changedAll(change.tx.finalLsn);
      return;
    }
    if (this.#last?.relation !== change.relation) {
      const markers = this.#tables.get(relationName(change.relation)) ?? [];
      this.#last = { relation: change.relation, markers };
    }
    for (const marker of this.#last.markers) marker.mark(change, binary);
  }
}

/** The column of the source whose value begins the key as it is; null: none, or no integer. */
function firstColumn(plan: TablePlan, { keyNames }: TableQueries): string | null {
  const first = plan.projection.columns.find(({ name }) => name === keyNames[0]);
  const column = plan.source.columns.find(({ name }) => name === first?.from);
  return column !== undefined && integers.has(column.baseType) ? column.name : null;
}

class Marker {
  readonly check: TableCheck;
  readonly #column: string | null;
  #parts: readonly Part[] = [];
  /** The first value of the bound at the end of each part but the last. */
  #ends: Float64Array = new Float64Array();
  #relation: Relation | null = null;
  #position = -1;

  constructor(check: TableCheck, column: string | null) {
    this.check = check;
    this.#column = column;
  }

  mark(change: RowChange, binary: boolean): void {
    const { check } = this;
    if (this.#parts !== check.parts) this.#learn();
    if (this.#relation !== change.relation) {
      this.#relation = change.relation;
      this.#position = change.relation.columns.findIndex(({ name }) => name === this.#column);
    }
    const at = change.tx.finalLsn;
    if (this.#position === -1 || this.#ends.length === 0) return check.changedAll(at);
    if (change.kind !== 'insert' && change.before !== null) this.#row(change.before.tuple, binary, at);
    if (change.kind !== 'delete') this.#row(change.wire ?? change.after, binary, at);
  }

  #row(row: Row, binary: boolean, at: bigint): void {
    const value = binary ? integerOf(row, this.#position) : numberOf(row, this.#position);
    if (value === null || Number.isNaN(value)) return this.check.changedAll(at);
    const ends = this.#ends;
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ends[middle]! < value) low = middle + 1;
      else high = middle;
    }
    // Where several bounds begin with the value, it may be in any of the parts.
    do this.#parts[low]!.changed = at;
    while (low < ends.length && ends[low++] === value);
  }

  #learn(): void {
    this.#parts = this.check.parts;
    this.#ends = Float64Array.from(this.#parts.slice(0, -1), ({ upTo }) => Number(upTo![0]));
  }
}

function numberOf(row: Row, position: number): number | null {
  const cell = 'cell' in row ? row.cell(position) : row[position];
  return typeof cell === 'string' ? Number(cell) : null;
}
