import type { ParentPlan, TablePlan } from '../../api/plan.ts';
import type { PlacedTable, SchemaStep, TableName } from '../../api/schema-change.ts';
import type { TablePresence } from '../../api/source-database.ts';
import { type Oid, relationName } from '../../postgres/relation.ts';
import { qualified } from '../../postgres/quote.ts';

/** How the place of a table in the target differs from that of its table on the source. */
export interface TreeDifference {
  /** `schema.table` on the source; for a table that only the target has, its name there. */
  readonly table: string;
  readonly what: string;
  /**
   * `place`: the steps make it equal. `obstacle`: no step of ours can. `stranger`: a table that only the target has.
   */
  readonly kind: 'place' | 'obstacle' | 'stranger';
  readonly steps: readonly SchemaStep[];
  /** What a user can do by hand. */
  readonly remedy: string | null;
}

export interface TreesOfSink {
  readonly source: readonly TablePresence[];
  readonly target: readonly PlacedTable[];
  /** Plans of the tables that the sink has; tables that wait for their copy are not included, and are not compared. */
  readonly plans: readonly TablePlan[];
  readonly parents: readonly ParentPlan[];
  /** The sink creates the schema. If not, differing trees are the target's own way of storing the rows. */
  readonly creates: boolean;
  /** A transform may rename: a partitioned table without partitions then has no known name. */
  readonly transformed: boolean;
}

/**
 * Compares trees (partitions, inheritance) by membership and bound. The rows are compared table by table: if each table
 * of a tree is equal and the members are the same, so are the rows under its root. Pure.
 */
export function treeDifferences(of: TreesOfSink): readonly TreeDifference[] {
  const names = namesInTarget(of);
  const target = new Map(of.target.map((table) => [key(table), table]));
  const mapped = new Set([...names.values()].map(key));
  const bySource = new Map(of.source.map((table) => [table.oid, table]));
  const found: TreeDifference[] = [];
  const kept = new Map<string, Set<string>>();
  for (const table of of.source) {
    const name = names.get(table.oid);
    if (name === undefined) continue;
    const wanted = table.parents.flatMap((oid) => {
      const parent = names.get(oid);
      return parent === undefined || key(parent) === key(name) ? [] : [{ parent, of: bySource.get(oid)! }];
    });
    for (const { parent } of wanted) addTo(kept, key(parent), key(name));
    const there = target.get(key(name));
    if (there === undefined) {
      if (table.kind === 'partitioned' && of.creates) found.push(missingParent(table, name, { wanted, target }));
      continue;
    }
    found.push(...misplaced({ table, name, there, wanted, mapped, target, creates: of.creates }));
  }
  return [...found, ...strangers(of.target, { names, mapped, kept })];
}

/**
 * Tables of the source, by oid, with their names in the target. Several tables that are written into one are in no
 * tree.
 */
function namesInTarget({ source, plans, parents, transformed }: TreesOfSink): ReadonlyMap<Oid, TableName> {
  const writers = Map.groupBy(plans, (plan) => key(plan.output));
  const outputs = new Map(plans.map((plan) => [plan.source.oid, plan.output]));
  const above = new Map(parents.map((parent) => [relationName(parent.source), parent.output]));
  const names = new Map<Oid, TableName>();
  for (const table of source) {
    const output = outputs.get(table.oid);
    if (table.kind !== 'partitioned') {
      if (output !== undefined && writers.get(key(output))!.length === 1) names.set(table.oid, nameOf(output));
      continue;
    }
    const planned = above.get(relationName(table)) ?? (transformed ? undefined : table);
    if (table.chosen && planned !== undefined) names.set(table.oid, nameOf(planned));
  }
  return names;
}

interface Wanted {
  readonly parent: TableName;
  readonly of: TablePresence;
}

interface Place {
  readonly table: TablePresence;
  readonly name: TableName;
  readonly there: PlacedTable;
  readonly wanted: readonly Wanted[];
  readonly mapped: ReadonlySet<string>;
  readonly target: ReadonlyMap<string, PlacedTable>;
  readonly creates: boolean;
}

function misplaced(place: Place): readonly TreeDifference[] {
  const { table, name, there, wanted, mapped } = place;
  const keep = new Set(wanted.map(({ parent }) => key(parent)));
  const found: TreeDifference[] = [];
  const say = (what: string, steps: readonly SchemaStep[], remedy: string | null = null) =>
    found.push({ table: relationName(table), what, kind: remedy === null ? 'place' : 'obstacle', steps, remedy });
  for (const parent of there.parents) {
    if (keep.has(key(parent)) || !mapped.has(key(parent))) continue;
    say(`is no member of ${relationName(parent)} any more on the source`, [leave(there, name, parent)]);
  }
  const now = new Set(there.parents.map(key));
  for (const { parent, of } of wanted) {
    const above = place.target.get(key(parent));
    const partition = of.kind === 'partitioned';
    if (partition && !place.creates && above?.partitioned !== true && there.parents.length === 0) continue;
    if (above === undefined || above.partitioned !== partition) {
      const what = above === undefined ? 'the target has no such table' : 'which is no partitioned table in the target';
      const [renamed] = there.parents;
      const rename = renamed === undefined ? '' : `: ALTER TABLE ${qualified(renamed)} RENAME TO …;`;
      say(
        `is a member of ${relationName(of)} on the source: ${relationName(parent)}, ${what}`,
        [],
        `Make ${qualified(parent)} in the target as it is on the source${rename}`,
      );
      continue;
    }
    if (!now.has(key(parent)))
      say(`is a member of ${relationName(of)} on the source${partition ? ` (${table.bound})` : ''}`, [
        enter(table, name, parent),
      ]);
    else if (partition && table.bound !== there.bound) {
      const steps = [leave(there, name, parent), enter(table, name, parent)];
      say(`has the bound ${table.bound} on the source, ${there.bound} in the target`, steps);
    }
  }
  return found;
}

function leave(there: PlacedTable, table: TableName, parent: TableName): SchemaStep {
  if (there.bound !== null) return { kind: 'detach', table, from: nameOf(parent) };
  return { kind: 'no-inherit', table, parent: nameOf(parent) };
}

function enter({ bound }: TablePresence, table: TableName, parent: TableName): SchemaStep {
  if (bound !== null) return { kind: 'attach', table, to: { parent, sibling: null, bound } };
  return { kind: 'inherit', table, parent };
}

/** A partitioned table without rows: below an existing parent it can be created from the parent. */
function missingParent(
  table: TablePresence,
  name: TableName,
  { wanted, target }: { readonly wanted: readonly Wanted[]; readonly target: ReadonlyMap<string, PlacedTable> },
): TreeDifference {
  const [above] = wanted;
  const what = 'is a partitioned table that the target does not have';
  if (above === undefined || target.get(key(above.parent))?.partitioned !== true) {
    const remedy = `Make ${qualified(name)} in the target as it is on the source, PARTITION BY ${table.partitionBy}.`;
    return { table: relationName(table), what, kind: 'obstacle', steps: [], remedy };
  }
  const step: SchemaStep = {
    kind: 'create-table',
    table: name,
    columns: [],
    primaryKey: [],
    partitionBy: table.partitionBy,
    partitionOf: { parent: above.parent, sibling: null, bound: table.bound! },
  };
  return { table: relationName(table), what, kind: 'place', steps: [step], remedy: null };
}

/** Members of our trees in the target that are no tables of the source. */
function strangers(
  target: readonly PlacedTable[],
  known: {
    readonly names: ReadonlyMap<Oid, TableName>;
    readonly mapped: ReadonlySet<string>;
    readonly kept: ReadonlyMap<string, ReadonlySet<string>>;
  },
): readonly TreeDifference[] {
  return target.flatMap((table) => {
    if (known.mapped.has(key(table))) return [];
    const parent = table.parents.find((above) => known.kept.has(key(above)));
    if (parent === undefined) return [];
    const verb = table.bound === null ? `NO INHERIT ${qualified(parent)}` : null;
    const sql =
      verb === null
        ? `ALTER TABLE ${qualified(parent)} DETACH PARTITION ${qualified(table)};`
        : `ALTER TABLE ${qualified(table)} ${verb};`;
    const what = `is a member of ${relationName(parent)} in the target, and of no tree that the file chooses on the source`;
    return [
      {
        table: relationName(table),
        what,
        kind: 'stranger',
        steps: [],
        remedy: `If its rows do not belong there, run on the target: ${sql}`,
      },
    ];
  });
}

function addTo(map: Map<string, Set<string>>, at: string, value: string): void {
  const before = map.get(at);
  if (before === undefined) map.set(at, new Set([value]));
  else before.add(value);
}

function key({ schema, name }: TableName): string {
  return JSON.stringify([schema, name]);
}

function nameOf({ schema, name }: TableName): TableName {
  return { schema, name };
}
