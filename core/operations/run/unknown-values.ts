import type { TablePlan } from '../../api/plan.ts';
import { PgsluiceError } from '../../base/error.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import { type Relation, relationName } from '../../postgres/relation.ts';
import { ShapeHistory, forgottenShapes } from '../../pipeline/ddl/shape-history.ts';
import { catalogNow } from '../../pipeline/ddl/known-shapes.ts';
import { copyAnew } from '../../pipeline/ddl/take-along.ts';
import type { PlannedSink, RunContext } from '../../pipeline/open/instances.ts';
import { driftOf } from '../../pipeline/plan/drift.ts';
import { requestCopy } from '../../pipeline/state/known-tables.ts';

/** DDL whose effect on existing rows cannot be known, and a shape that no DDL reported. */
const unknown: ReadonlySet<string> = new Set(['PGS4012', 'PGS4018']);

/**
 * `ddl: follow`: a table whose values only the source knows is copied again (I5), unless the file says that the run
 * stops. Its table in the target is made again as on the source, and changes of the stream up to that position are in
 * the copy. Rethrows errors that no copy mends, and all errors if the schema of a sink is not ours to change.
 */
export async function copyUnknown(
  context: RunContext,
  config: PipelineConfig,
  sinks: readonly PlannedSink[],
  error: unknown,
): Promise<'stopped' | undefined> {
  const { state, stop } = context;
  if (!mayCopy(config, sinks, error)) throw error;
  // The next start reads the same DDL again, as no sink is past it.
  if (stop.aborted) return 'stopped';
  const { relation, before } = await unknownTable(context, config, sinks, error);
  const table = relationName(relation);
  await requestCopy(
    state,
    [table],
    sinks.map(({ name }) => name),
    ...forgottenShapes(state, [before, table]),
    copyAnew,
  );
  return undefined;
}

function mayCopy(config: PipelineConfig, sinks: readonly PlannedSink[], error: unknown): error is PgsluiceError {
  return error instanceof PgsluiceError && isUnknown(error) && copiesUnknown(config, sinks);
}

/**
 * The table that has to be copied again for {@link copyUnknown}, as it is now, and the name under which it is known. Rethrows errors that no
 * copy mends.
 */
export async function unknownTable(
  context: RunContext,
  config: PipelineConfig,
  sinks: readonly PlannedSink[],
  error: unknown,
): Promise<{ readonly relation: Relation; readonly before: string }> {
  const { state, log } = context;
  if (!mayCopy(config, sinks, error)) throw error;
  const known = error;
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
  return { relation: now, before };
}

/** Whether the file allows tables to be copied again, and the schema of the sinks is ours to change. */
export function copiesUnknown(config: PipelineConfig, sinks: readonly PlannedSink[]): boolean {
  const follows = config.ddl === 'follow' && config.onUnknownValues === 'resync';
  return follows && sinks.every(({ traits }) => traits.schemaChanges === true && traits.existing === null);
}

/** Or an error of the target, because its table is a different one. */
function isUnknown({ code, meaning }: PgsluiceError): boolean {
  return unknown.has(code) || meaning === 'other-in-target';
}

/** Sinks name tables as in the target. */
function planOf(sinks: readonly PlannedSink[], { where }: PgsluiceError): TablePlan | undefined {
  return sinks.flatMap(({ plans }) => plans).find(({ output }) => relationName(output) === where.table);
}
