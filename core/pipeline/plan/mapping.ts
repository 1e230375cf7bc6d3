import { columnChanges } from '../../api/column-changes.ts';
import type { ParentPlan, TablePlan } from '../../api/plan.ts';
import type { SourceCatalog } from '../../api/source.ts';
import type { MappedTable, Mapping } from '../../postgres/manifest/map.ts';

/** The plan as a mapping of names and columns. Pure. */
export function mappingOf(
  { plans, parents }: { readonly plans: readonly TablePlan[]; readonly parents: readonly ParentPlan[] },
  excluded: SourceCatalog['excluded'],
): Mapping {
  const tables = plans.map(mappedTable);
  const known = new Set(tables.map(({ from }) => from.join('\0')));
  const moved = parents.map(({ source, output }) =>
    unchanged([source.schema, source.name], [output.schema, output.name]),
  );
  return {
    tables: [...tables, ...moved.filter(({ from }) => !known.has(from.join('\0')))],
    excluded: excluded.map(({ schema, name }) => [schema, name] as const),
  };
}

export function unchanged(from: MappedTable['from'], to: MappedTable['to']): MappedTable {
  return { from, to, drop: [], rename: new Map(), add: [], retype: [] };
}

/** One table's. */
export function mappedTable(plan: TablePlan): MappedTable {
  const { drop, rename, add, retype } = columnChanges(plan);
  return {
    from: [plan.source.schema, plan.source.name],
    to: [plan.output.schema, plan.output.name],
    drop,
    rename: new Map(rename.map((one) => [one.from, one.to])),
    add,
    retype,
  };
}
