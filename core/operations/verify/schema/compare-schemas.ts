import { columnChanges } from '../../../api/column-changes.ts';
import type { TablePlan } from '../../../api/plan.ts';
import type { Source, SourceCatalog } from '../../../api/source.ts';
import type { PlannedSink } from '../../../pipeline/open/instances.ts';
import type { MappedTable, Mapping } from '../../../postgres/manifest/map.ts';
import { type SchemaComparison, compareViews } from './findings.ts';

export interface SinkSchema extends SchemaComparison {
  /** Name of the sink. */
  readonly sink: string;
}

/**
 * Each target that is a database against what the plan makes of the source, object by object. Reads both catalogs, changes
 * nothing. `verify --schema` prints it; a cut-over calls it twice: before the writers stop, and when everything that was set
 * aside is settled (then nothing may be pending).
 */
export async function compareSchemas(
  source: Source,
  sinks: readonly PlannedSink[],
  excluded: SourceCatalog['excluded'],
  signal: AbortSignal,
): Promise<readonly SinkSchema[]> {
  const readable = sinks.filter(({ sink }) => sink.schema !== undefined);
  if (source.schema === undefined || readable.length === 0) return [];
  const from = source.schema.read(signal);
  const compared = readable.map(async (planned) => {
    const [view, target] = await Promise.all([from, planned.sink.schema!.read(signal)]);
    return { sink: planned.name, ...compareViews(view, target, mappingOf(planned, excluded)) };
  });
  return Promise.all(compared);
}

/** The plan as a mapping of names and columns. Pure. */
export function mappingOf(
  { plans, parents }: Pick<PlannedSink, 'plans' | 'parents'>,
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

function unchanged(from: MappedTable['from'], to: MappedTable['to']): MappedTable {
  return { from, to, drop: [], rename: new Map(), add: [], retype: [] };
}

function mappedTable(plan: TablePlan): MappedTable {
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
