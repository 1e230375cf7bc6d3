import type { Change, UpdateChange } from '../../api/change.ts';
import type { FetchedCell, Tuple } from '../../postgres/tuple.ts';
import { UNCHANGED } from '../../postgres/tuple.ts';
import type { MapperPace } from '../../api/plan.ts';
import { cellOf } from '../../api/wire-change.ts';
import { type Relation, relationName } from '../../postgres/relation.ts';
import type { RowsAsked } from '../../api/source-database.ts';
import type { Binding } from './binding.ts';
import type { Fetched } from './change-map.ts';
import { planError } from './errors.ts';

/** Rows of the source as they are now, in the order asked; null where no row has the key. */
export type FetchRows = (asked: RowsAsked) => Promise<readonly (readonly FetchedCell[] | null)[]>;

/** Changes that can be bound without mapping the changes before them, and those of them that lack values. */
export interface Segment {
  readonly end: number;
  readonly lacking: readonly Lacking[];
}
interface Lacking {
  readonly change: UpdateChange;
  readonly positions: readonly number[];
}

/** How a change's relation is bound; an unknown relation is bound only in its turn. */
export interface Bindings {
  readonly known: (relation: Relation) => boolean;
  /** Throws errors of binding. */
  readonly bound: (relation: Relation, change: Change) => Binding | null;
}

/** Bytes of fetched values that one call may hold, estimated from earlier calls. */
const budget = 16 << 20;
const firstPace = 64;
const leastPace = 8;
const mostPace = 4096;

/**
 * Finds the changes that lack a value which the plan needs, and fetches it from the source, with one query per table.
 * The source is at the change or later, never before it, so the value may be a later one; the change that made it is
 * then still to come.
 */
export class Refetch implements MapperPace {
  readonly #fetch: FetchRows;
  readonly #bindings: Bindings;
  /** Number of rows to fetch at once. */
  #most = firstPace;
  bytes = 0;

  constructor(fetch: FetchRows, bindings: Bindings) {
    this.#fetch = fetch;
    this.#bindings = bindings;
  }

  upTo(changes: readonly Change[], from: number): number {
    let left = this.#most;
    for (let i = from; i < changes.length; i++) {
      const change = changes[i] as Change;
      if (change.kind !== 'update' || !this.#mayLack(change)) continue;
      if (left-- === 0) return i;
    }
    return changes.length;
  }

  #mayLack(change: UpdateChange): boolean {
    if (!this.#bindings.known(change.relation)) return change.after.includes(UNCHANGED);
    const binding = this.#bindings.bound(change.relation, change);
    return binding?.refetch === true && binding.map.lacks(change) !== null;
  }

  /** Ends after a message, which may bring another shape, and before a new relation. */
  segment(changes: readonly Change[], from: number): Segment {
    const bindings = this.#bindings;
    const lacking: Lacking[] = [];
    for (let i = from; i < changes.length; i++) {
      const change = changes[i] as Change;
      if (change.kind === 'message') return { end: i + 1, lacking };
      if (change.kind === 'truncate') continue;
      if (i > from && !bindings.known(change.relation)) return { end: i, lacking };
      if (change.kind === 'update' || i === from) {
        const binding = boundOr(() => bindings.bound(change.relation, change));
        // The mapping raises the error again, in its place.
        if (binding === 'fails') return { end: i + 1, lacking };
        const positions = change.kind === 'update' && binding?.refetch === true ? binding.map.lacks(change) : null;
        if (positions !== null) lacking.push({ change: change as UpdateChange, positions });
      }
    }
    return { end: changes.length, lacking };
  }

  /** Before a call: {@link bytes} starts at zero again. */
  begin(): void {
    this.bytes = 0;
  }

  async fetch(lacking: readonly Lacking[]): Promise<ReadonlyMap<Change, Fetched>> {
    const found = new Map<Change, Fetched>();
    let bytes = 0;
    for (const [relation, of] of Map.groupBy(lacking, ({ change }) => change.relation)) {
      bytes += await this.#fetchOf(relation, of, found);
    }
    const each = lacking.length === 0 ? 0 : bytes / lacking.length;
    this.#most = each === 0 ? mostPace : Math.min(mostPace, Math.max(leastPace, Math.floor(budget / each)));
    this.bytes += bytes;
    return found;
  }

  async #fetchOf(relation: Relation, lacking: readonly Lacking[], found: Map<Change, Fetched>): Promise<number> {
    if (relation.identity.kind !== 'key') return 0;
    const key = relation.identity.positions;
    const keys = lacking.map(({ change }) => keyOf(change, key));
    const index = new Map<string, number>();
    const asked: Tuple[] = [];
    for (const cells of keys) {
      const text = cells.join('\0');
      if (index.has(text)) continue;
      index.set(text, asked.length);
      asked.push(cells);
    }
    const columns = [...new Set(lacking.flatMap(({ positions }) => positions))];
    const after = [...new Set(lacking.map(({ change }) => change.tx.xid))];
    const rows = await this.#fetch({ relation, key, keys: asked, columns, after });
    if (rows.length !== asked.length) {
      const table = relationName(relation);
      throw planError('PGS4019', `${asked.length} rows were asked for, ${rows.length} came`, { where: { table } });
    }
    lacking.forEach(({ change }, i) => {
      const row = rows[index.get((keys[i] as Tuple).join('\0')) as number] ?? null;
      found.set(change, row === null ? null : { columns, row });
    });
    return sizeOf(rows);
  }
}

function boundOr(bound: () => Binding | null): Binding | null | 'fails' {
  try {
    return bound();
  } catch {
    return 'fails';
  }
}

/** The key after the change. A large part of the key that did not change is in the old image only. */
function keyOf(change: UpdateChange, key: readonly number[]): Tuple {
  const { before } = change;
  return key.map((at) => {
    // Not the whole row, which may have values that are too large to be read.
    const cell = cellOf(change.wire ?? change.after, at);
    return cell === UNCHANGED ? (before?.tuple[at] ?? null) : cell;
  });
}

function sizeOf(rows: readonly (readonly FetchedCell[] | null)[]): number {
  let size = 0;
  for (const row of rows) for (const cell of row ?? []) size += cell?.length ?? 0;
  return size;
}
