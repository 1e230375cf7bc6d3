import type { SchemaStep } from '../../api/schema-change.ts';
import type { TablePresence } from '../../api/source-database.ts';
import { isPgsluiceError } from '../../registry/call.ts';
import { runtimeError } from '../errors.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import { type TreeDifference, treeDifferences } from './trees.ts';

/** What stands elsewhere in a sink than on the source. */
export interface Misplaced {
  readonly sink: PlannedSink;
  readonly differences: readonly TreeDifference[];
}

/** Compares the trees of the source, as one look saw them, with those of each sink that has any. */
export async function misplacedTables(
  sinks: readonly PlannedSink[],
  source: readonly TablePresence[],
  signal: AbortSignal,
): Promise<readonly Misplaced[]> {
  const found: Misplaced[] = [];
  for (const sink of sinks) {
    if (sink.sink.tree === undefined) continue;
    const differences = treeDifferences({
      source,
      target: await sink.sink.tree.places(signal),
      plans: sink.plans,
      parents: sink.parents,
      creates: sink.traits.existing === null,
      transformed: sink.steps.length > 0 || sink.tables !== null,
    });
    if (differences.length > 0) found.push({ sink, differences });
  }
  return found;
}

/** The differences that a run is there to end; what only the target has is the user's. */
export function ofSource(misplaced: readonly Misplaced[]): readonly Misplaced[] {
  return misplaced
    .map(({ sink, differences }) => ({ sink, differences: differences.filter((each) => each.kind !== 'stranger') }))
    .filter(({ differences }) => differences.length > 0);
}

/**
 * Brings the tables of the targets to where the source has them. Every sink is durable beyond the look that saw them there, so a
 * partition has no row that its bound refuses, but for what changed since. Nobody writes to the targets meanwhile. Throws PGS6082.
 */
export async function placeTables(
  { log, stop }: Pick<RunContext, 'log' | 'stop'>,
  sinks: readonly PlannedSink[],
  seen: readonly TablePresence[],
): Promise<void> {
  for (const { sink, differences } of ofSource(await misplacedTables(sinks, seen, stop))) {
    const [obstacle] = differences.filter(({ kind }) => kind === 'obstacle');
    if (obstacle !== undefined) throw cannotPlace(sink, obstacle);
    try {
      const ran = await sink.sink.tree!.place(ordered(differences), stop);
      for (const { table, what } of differences) {
        log.log('info', 'table-placed', `${table} ${what}: so it is in ${sink.name} now`, { table, sink: sink.name });
      }
      log.log('debug', 'tree-statements', ran.join('; '), { sink: sink.name });
    } catch (error) {
      if (stop.aborted || !isPgsluiceError(error)) throw error;
      throw cannotPlace(sink, differences[0]!, error);
    }
  }
}

/**
 * Takes out of the trees of the targets what the source took out of its own. That may come before the rows of that time: a row never
 * fails because some table is in no tree, but may because it is in one still (a default partition refuses what belongs there). What
 * does not go now is told when it has to.
 */
export async function leaveTrees(
  { log, stop }: Pick<RunContext, 'log' | 'stop'>,
  sinks: readonly PlannedSink[],
  seen: readonly TablePresence[],
): Promise<void> {
  for (const { sink, differences } of ofSource(await misplacedTables(sinks, seen, stop))) {
    for (const { table, what, steps } of differences) {
      if (steps.length === 0 || !steps.every(leaves)) continue;
      try {
        await sink.sink.tree!.place(steps, stop);
        log.log('info', 'table-placed', `${table} ${what}: so it is in ${sink.name} now`, { table, sink: sink.name });
      } catch (error) {
        if (stop.aborted || !isPgsluiceError(error)) throw error;
        log.log('debug', 'placed-later', error.message, { table, sink: sink.name });
      }
    }
  }
}

/** First what leaves a place, so that another may take it. */
function ordered(differences: readonly TreeDifference[]): readonly SchemaStep[] {
  const steps = differences.flatMap((difference) => difference.steps);
  return [...steps.filter(leaves), ...steps.filter((step) => !leaves(step))];
}

function leaves(step: SchemaStep): boolean {
  return step.kind === 'detach' || step.kind === 'no-inherit';
}

function cannotPlace(sink: PlannedSink, { table, what, remedy }: TreeDifference, cause?: Error): Error {
  const because = cause === undefined ? '' : `: ${cause.message}`;
  return runtimeError('PGS6082', `${table} ${what}; the target of ${sink.name} cannot follow${because}`, {
    where: { table },
    ...(remedy === null ? {} : { remedy: `${remedy} Then run again.` }),
    ...(cause === undefined ? {} : { cause }),
  });
}
