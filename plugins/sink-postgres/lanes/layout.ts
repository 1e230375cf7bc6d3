import { createHash } from 'node:crypto';
import type { Change, RowChange } from '../../../core/api/change.ts';
import type { Relation } from '../../../core/postgres/relation.ts';
import { relationName } from '../../../core/postgres/relation.ts';

/** Which lane applies what. Stored with the lanes' positions: a position means something only together with it. */
export interface Layout {
  readonly lanes: number;
  /** Lane by table, `schema.name` in the target. A table that is not here is applied by the first lane. */
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

/** Finds the lane of changes. */
export class Lanes {
  readonly layout: Layout;
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
    if (key === undefined) return this.layout.tables[name] ?? 0;
    const { identity, columns } = relation;
    const positions = key.map((column) => columns.findIndex((c) => c.name === column));
    const sent = identity.kind === 'key' && positions.every((at) => identity.positions.includes(at));
    // The key came to be another one since: one lane after the other, until the layout is read again.
    return sent ? positions : everyLane;
  }

  #byKey(change: RowChange, key: readonly number[]): number {
    if (change.kind === 'insert') return this.#hash(key.map((at) => change.after[at]));
    if (change.kind === 'delete') return this.#hash(key.map((at) => change.before.tuple[at]));
    const after = this.#hash(key.map((at) => change.after[at]));
    if (change.before === null) return after;
    return this.#hash(key.map((at) => change.before!.tuple[at])) === after ? after : everyLane;
  }

  #hash(values: readonly unknown[]): number {
    if (!values.every((value) => typeof value === 'string')) return everyLane;
    return createHash('md5').update(values.join('\0')).digest().readUInt32BE(0) % this.layout.lanes;
  }
}
