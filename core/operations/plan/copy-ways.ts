import type { TablePlan } from '../../api/plan.ts';
import type { SourceCatalog } from '../../api/source.ts';
import { formatBytes } from '../../base/format.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import type { PlannedSink, RunContext } from '../../pipeline/open/instances.ts';
import { rangeColumns } from '../../pipeline/snapshot/ledger.ts';
import { relationName } from '../../postgres/relation.ts';

/** How a run would read each large table of a sink, one line per `schema.table`; small tables are read whole. */
export async function copyWays(
  { source, stop }: Pick<RunContext, 'source' | 'stop'>,
  sink: PlannedSink,
  { config, catalog }: { readonly config: PipelineConfig; readonly catalog: SourceCatalog },
): Promise<ReadonlyMap<string, string>> {
  const { mode, chunk_size: chunk, ledger_above: above } = config.snapshot;
  const lines = new Map<string, string>();
  if (mode === 'never' || source.snapshot === undefined) return lines;
  const sizes = new Map(catalog.tables.map(({ relation, bytes }) => [relation.oid, bytes]));
  for (const plan of sink.plans) {
    const bytes = sizes.get(plan.source.oid) ?? 0;
    if (bytes <= Math.min(chunk, above)) continue;
    const parts = `${Math.max(1, Math.ceil(bytes / chunk))} ranges`;
    const pages = `${formatBytes(bytes)} in about ${parts} of its pages, under one snapshot`;
    if (bytes <= above || mode !== 'initial') {
      lines.set(relationName(plan.source), pages);
      continue;
    }
    const found = await rangesOf(source, sink, plan, stop);
    const text =
      'why' in found
        ? `${pages}: a copy that breaks starts it again, as ${found.why}`
        : `${formatBytes(bytes)} in about ${parts} of (${found.columns.join(', ')}), each exact at a position of its own: a copy that breaks goes on (correlation ${found.correlation.toFixed(2)})`;
    lines.set(relationName(plan.source), text);
  }
  return lines;
}

type Found = { readonly columns: readonly string[]; readonly correlation: number } | { readonly why: string };

/** Decides as the copy does (`inRanges`), without a snapshot. */
async function rangesOf(
  source: RunContext['source'],
  { plans, sink }: PlannedSink,
  plan: TablePlan,
  signal: AbortSignal,
): Promise<Found> {
  const { ranges } = sink.snapshot;
  if (ranges === undefined) return { why: 'its sink takes no ranges that have positions of their own' };
  if (source.snapshot?.keyFit === undefined) return { why: 'its source reads none' };
  const columns = rangeColumns(plan);
  if (typeof columns === 'string') return { why: columns };
  const fit = await source.snapshot.keyFit(plan.source, columns, signal);
  if (typeof fit === 'string') return { why: fit };
  const output = relationName(plan.output);
  if (plans.some((other) => other !== plan && relationName(other.output) === output))
    return { why: 'its target is partitioned, or takes other tables, too' };
  const why = await ranges.unfit(plan, { columns, unique: fit.unique }, signal);
  return why === null ? { columns, correlation: fit.correlation } : { why };
}
