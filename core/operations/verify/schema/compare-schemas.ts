import type { Source, SourceCatalog } from '../../../api/source.ts';
import type { PlannedSink } from '../../../pipeline/open/instances.ts';
import { mappingOf } from '../../../pipeline/plan/mapping.ts';
import { type SchemaComparison, compareViews } from './findings.ts';

export interface SinkSchema extends SchemaComparison {
  /** Name of the sink. */
  readonly sink: string;
}

/**
 * Each target that is a database against what the plan makes of the source, object by object. Reads both catalogs, changes
 * nothing. `verify --schema` prints it; a cutover calls it twice: before the writers stop, and when everything that was set
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
