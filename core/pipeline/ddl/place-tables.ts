import type { SchemaStep } from '../../api/schema-change.ts';
import type { TablePresence } from '../../api/source-database.ts';
import { isPgsluiceError } from '../../registry/call.ts';
import { runtimeError } from '../errors.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import { type TreeDifference, treeDifferences } from './trees.ts';

/** A table whose place in a tree differs between a sink and the source. */
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

/** The differences that a run resolves; tables that only the target has are the user's. */
export function ofSource(misplaced: readonly Misplaced[]): readonly Misplaced[] {
  return misplaced
    .map(({ sink, differences }) => ({ sink, differences: differences.filter((each) => each.kind !== 'stranger') }))
    .filter(({ differences }) => differences.length > 0);
}

/**
 * Moves the tables of the targets to their places on the source. Every sink is durable beyond the look that saw those
 * places, so a partition has no row that its bound refuses, except for changes since then. No session writes to the
 * targets meanwhile. Throws PGS6082.
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
 * Detaches tables in the targets that the source detached. This may come before the rows of that time: no row fails
 * because a table is in no tree, but a row may fail because a table is still in one (a default partition refuses rows
 * of another partition). A detachment that fails now is reported when it becomes necessary.
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

/** Detachments come first, to free the place for another table. */
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
