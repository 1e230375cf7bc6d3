import { readCatalog } from '../../../api/source.ts';
import type { TablePlan } from '../../../api/plan.ts';
import { formatLsn } from '../../../postgres/lsn.ts';
import { relationName } from '../../../postgres/relation.ts';
import type { Instances, PlannedSink, RunContext } from '../../../pipeline/open/instances.ts';
import { planSinks } from '../../../pipeline/open/planning.ts';
import { knownTables, pendingTables } from '../../../pipeline/state/known-tables.ts';
import { queriesOf, type TableQueries } from '../queries.ts';
import { markOf, TableCheck } from './table-check.ts';

/** A table of a sink that can be compared. */
export interface Job {
  readonly sink: PlannedSink;
  readonly plan: TablePlan;
  readonly queries: TableQueries;
  readonly check: TableCheck;
}

export interface Jobs {
  readonly jobs: readonly Job[];
  /** Of all tables of all sinks, those that cannot be compared among them. */
  readonly checks: readonly TableCheck[];
}

/** The tables that the pipeline has now, each with what is known of it: from before, else from the checkpoint. */
export async function findJobs(
  context: RunContext,
  instances: Instances,
  before: ReadonlyMap<string, TableCheck>,
): Promise<Jobs> {
  const { state, source, stop } = context;
  const { sinks } = await planSinks(instances.sinks, knownTables(state, await readCatalog(source, stop)), true, stop);
  const pending = pendingTables(state);
  const jobs: Job[] = [];
  const checks: TableCheck[] = [];
  for (const sink of sinks) {
    for (const plan of sink.plans) {
      const table = relationName(plan.source);
      const there = sink.traits.existing?.get(relationName(plan.output));
      const queries = queriesOf(plan, there === undefined ? null : new Set(there.map(({ name }) => name)));
      const copied = state.table(sink.name, table)?.exactAt ?? null;
      const handoff = state.head?.handoff ?? null;
      const mark = markOf([
        handoff === null ? null : formatLsn(handoff),
        copied === null ? null : formatLsn(copied),
        plan.source.oid,
        queries?.source ?? null,
        queries?.target ?? null,
      ]);
      const check = checkOf(context, { sink: sink.name, table, mark }, before);
      checks.push(check);
      if (sink.sink.digests === undefined) check.leftOut = 'the sink cannot be read back';
      else if (queries === null) check.leftOut = plan.tail?.because ?? 'a step that only code understands';
      else if (pending.has(table)) check.leftOut = 'its copy is not finished';
      else jobs.push({ sink, plan, queries, check });
    }
  }
  return { jobs, checks };
}

function checkOf(
  { state }: RunContext,
  of: { readonly sink: string; readonly table: string; readonly mark: string },
  before: ReadonlyMap<string, TableCheck>,
): TableCheck {
  const known = before.get(`${of.sink}:${of.table}`);
  if (known?.mark === of.mark) return known;
  const check = new TableCheck(of, Date.now());
  const note = state.of('verified', check.key);
  if (note !== null) check.restore(note);
  return check;
}
