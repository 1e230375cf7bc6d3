import type { Change, RowChange } from '../../../core/api/change.ts';
import { cellOf, type Row } from '../../../core/api/wire-change.ts';
import { oidsOf } from '../../../core/postgres/oids.ts';
import { type Relation, relationName } from '../../../core/postgres/relation.ts';

/** Which lane applies what. Stored with the lanes' positions: a position means something only together with it. */
export interface Layout {
  readonly lanes: number;
  /** Lane by table, `schema.name` in the target. What brings a table that is not here concerns every lane. */
  readonly tables: Readonly<Record<string, number>>;
  /** Tables whose rows are divided by the hash of these columns. */
  readonly keys: Readonly<Record<string, readonly string[]>>;
}

export const oneLane: Layout = { lanes: 1, tables: {}, keys: {} };

/** What concerns more than one lane. */
export const everyLane = -1;

/** Tables that must stay together, and what each has to do. */
export interface Groups {
  readonly tables: readonly { readonly name: string; readonly writes: number }[];
  readonly edges: readonly (readonly [string, string])[];
}

/** Connected tables, the busiest group first. Pure. */
export function groupsOf({ tables, edges }: Groups): readonly { readonly names: string[]; readonly writes: number }[] {
  const above = new Map<string, string>();
  const root = (name: string): string => {
    const next = above.get(name);
    if (next === undefined) return name;
    const top = root(next);
    above.set(name, top);
    return top;
  };
  for (const [one, other] of edges) if (root(one) !== root(other)) above.set(root(one), root(other));
  const groups = new Map<string, { names: string[]; writes: number }>();
  for (const { name, writes } of tables) {
    const group = groups.get(root(name)) ?? { names: [], writes: 0 };
    groups.set(root(name), group);
    group.names.push(name);
    group.writes += writes;
  }
  return [...groups.values()].sort((a, b) => b.writes - a.writes || (a.names[0]! < b.names[0]! ? -1 : 1));
}

/** Each group to the lane that has least to do so far. Pure. */
export function assign(groups: Groups, lanes: number): Readonly<Record<string, number>> {
  const load = Array.from({ length: lanes }, () => 0);
  const tables: Record<string, number> = {};
  for (const { names, writes } of groupsOf(groups)) {
    const lane = load.indexOf(Math.min(...load));
    load[lane]! += writes + 1;
    for (const name of names) tables[name] = lane;
  }
  return tables;
}

/** Types whose equal values have equal text. */
export const sameText = oidsOf(
  ...(['bool', 'bytea', 'int8', 'int2', 'int4', 'text', 'oid', 'varchar', 'date', 'timestamp', 'uuid'] as const),
);

/** Finds the lane of changes. */
export class Lanes {
  readonly layout: Layout;
  /** Tables that came and for which the layout does not do: unknown to it, or not divisible by the key as the source sends it. */
  readonly misfits = new Set<string>();
  readonly #relations = new WeakMap<Relation, number | readonly number[]>();

  constructor(layout: Layout) {
    this.layout = layout;
  }

  /** {@link everyLane} where the change concerns several, or nobody knows. A truncate is asked for by {@link ofRelation}. */
  of(change: Change): number {
    if (this.layout.lanes === 1) return 0;
    if (change.kind === 'message') return change.schema === undefined ? 0 : everyLane;
    if (change.kind !== 'truncate') {
      const found = this.#find(change.relation);
      return typeof found === 'number' ? found : this.#byKey(change, found);
    }
    // It reaches tables that are not named.
    if (change.cascade) return everyLane;
    const [first = 0, ...rest] = change.relations.map((relation) => this.ofRelation(relation));
    return rest.every((lane) => lane === first) ? first : everyLane;
  }

  /** {@link everyLane} where its rows are divided. */
  ofRelation(relation: Relation): number {
    const found = this.#find(relation);
    return typeof found === 'number' ? found : everyLane;
  }

  #find(relation: Relation): number | readonly number[] {
    const known = this.#relations.get(relation);
    if (known !== undefined) return known;
    const found = this.#look(relation);
    this.#relations.set(relation, found);
    return found;
  }

  #look(relation: Relation): number | readonly number[] {
    const name = relationName(relation);
    const key = this.layout.keys[name];
    const found = key === undefined ? this.layout.tables[name] : positionsOf(key, relation);
    if (found !== undefined) return found;
    // One lane after the other, until there is a layout that has it.
    this.misfits.add(name);
    return everyLane;
  }

  #byKey(change: RowChange, key: readonly number[]): number {
    if (change.kind === 'delete') return this.#hash(change.before.tuple, key);
    const after = this.#hash(change.wire ?? change.after, key);
    if (change.kind === 'insert' || change.before === null) return after;
    return this.#hash(change.before.tuple, key) === after ? after : everyLane;
  }

  /** FNV-1a with a last mix, as neighbouring keys differ in few bits. Stored layouts rest on it. */
  #hash(row: Row, key: readonly number[]): number {
    let hash = 0x811c9dc5;
    for (const position of key) {
      const cell = cellOf(row, position);
      if (typeof cell !== 'string') return everyLane;
      for (let i = 0; i < cell.length; i++) hash = Math.imul(hash ^ cell.charCodeAt(i), 0x01000193);
      hash = Math.imul(hash ^ 0xffff, 0x01000193);
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0) % this.layout.lanes;
  }
}

/** Where the columns of the key lie; undefined where an old row may not bring them, or their text is not one for equal values. */
function positionsOf(key: readonly string[], relation: Relation): readonly number[] | undefined {
  const { identity, columns } = relation;
  if (relation.opaque === true) return undefined;
  const positions = key.map((name) => columns.findIndex((column) => column.name === name));
  const sent = positions.every(
    (at) => sameText.has(columns[at]?.type ?? 0) && (identity.kind !== 'key' || identity.positions.includes(at)),
  );
  return sent ? positions : undefined;
}
