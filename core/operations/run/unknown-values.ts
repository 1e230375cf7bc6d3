import type { TablePlan } from '../../api/plan.ts';
import { PgsluiceError } from '../../base/error.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import { relationName } from '../../postgres/relation.ts';
import { ShapeHistory, forgottenShapes } from '../../pipeline/ddl/shape-history.ts';
import { catalogNow } from '../../pipeline/ddl/known-shapes.ts';
import { copyAnew } from '../../pipeline/ddl/take-along.ts';
import type { PlannedSink, RunContext } from '../../pipeline/open/instances.ts';
import { driftOf } from '../../pipeline/plan/drift.ts';
import { requestCopy } from '../../pipeline/state/known-tables.ts';

/** DDL whose effect on the rows that are there cannot be known, and a shape that no DDL was told of. */
const unknown: ReadonlySet<string> = new Set(['PGS4012', 'PGS4018']);

/**
 * `ddl: follow`: a table with values that only the source knows is copied again (I5), where the file does not say that the run shall
 * stop. Its target is made again as the source has it, and what the stream has of it up to there is in the copy. Rethrows what no
 * copy mends, and where a sink has a schema that is not ours to change.
 */
export async function copyUnknown(
  context: RunContext,
  config: PipelineConfig,
  sinks: readonly PlannedSink[],
  error: unknown,
): Promise<'stopped' | undefined> {
  const { state, log, stop } = context;
  const known = error instanceof PgsluiceError && isUnknown(error) ? error : null;
  if (known === null || !copiesUnknown(config, sinks)) throw error;
  // The next start meets the same DDL, as no sink is past it.
  if (stop.aborted) return 'stopped';
  const catalog = await catalogNow(context);
  const oid = driftOf(error)?.source.oid ?? planOf(sinks, known)?.source.oid;
  const named = planOf(sinks, known)?.source;
  const name = named === undefined ? known.where.table : relationName(named);
  const relations = catalog.tables.map(({ relation }) => relation);
  const now = relations.find((each) => each.oid === oid) ?? relations.find((each) => relationName(each) === name);
  if (now === undefined) throw error;
  const table = relationName(now);
  const before = relationName(new ShapeHistory(state).of(now));
  log.log('warn', 'table-copied-again', `${known.message}: ${table} is copied again`, { table, code: known.code });
  await requestCopy(
    state,
    [table],
    sinks.map(({ name }) => name),
    ...forgottenShapes(state, [before, table]),
    copyAnew,
  );
  return undefined;
}

/** Whether the file lets tables be copied again, and the sinks have a schema that is ours to change. */
export function copiesUnknown(config: PipelineConfig, sinks: readonly PlannedSink[]): boolean {
  const follows = config.ddl === 'follow' && config.onUnknownValues === 'resync';
  return follows && sinks.every(({ traits }) => traits.schemaChanges === true && traits.existing === null);
}

/** Or what the target refuses, as it is another table there. */
function isUnknown({ code, meaning }: PgsluiceError): boolean {
  return unknown.has(code) || meaning === 'other-in-target';
}

/** Sinks speak of tables by their names in the target. */
function planOf(sinks: readonly PlannedSink[], { where }: PgsluiceError): TablePlan | undefined {
  return sinks.flatMap(({ plans }) => plans).find(({ output }) => relationName(output) === where.table);
}
