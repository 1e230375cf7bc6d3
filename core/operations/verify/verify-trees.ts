import { pause } from '../../base/backoff.ts';
import { ShapeHistory } from '../../pipeline/ddl/shape-history.ts';
import { misplacedTables } from '../../pipeline/ddl/place-tables.ts';
import { freshTables } from '../../pipeline/ddl/take-along.ts';
import type { PlannedSink } from '../../pipeline/open/instances.ts';
import { pendingTables } from '../../pipeline/state/known-tables.ts';
import { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import type { Followed } from './stream-options.ts';

/** A table that stands elsewhere in its tree (partitions, inheritance) than on the source. */
export interface TreeVerdict {
  readonly sink: string;
  /** `schema.table` on the source, or in the target where only that has it. */
  readonly table: string;
  readonly what: string;
  readonly remedy: string;
}

/** How long a run elsewhere may take for what came on the source, in milliseconds. */
const patienceMs = 60_000;
const placesMs = 20_000;
const byRun = 'A run brings the table to its place: pgsluice run FILE';

/**
 * A run in another process takes new tables along by itself: the comparison begins when it has. Returns the pipeline with the state
 * as it is then.
 */
export async function awaitTaken<T extends Followed>(of: T, locked: boolean): Promise<T> {
  const { context, instances } = of;
  if (locked || context.state.head?.phase !== 'stream') return of;
  for (const until = Date.now() + patienceMs; ; await pause(500, context.stop)) {
    const state = await PipelineState.load(instances.store);
    const presence = (await context.source.ddl?.tables(context.stop)) ?? [];
    const settled =
      pendingTables(state).size === 0 && freshTables(state, new ShapeHistory(state), presence).length === 0;
    if (settled || Date.now() > until || hasEnded(state)) return { ...of, context: { ...context, state } };
  }
}

function hasEnded(state: PipelineState): boolean {
  return state.get('status')?.ended === true;
}

/**
 * Compares the trees of both sides by members and bounds. Each table's rows are compared by themselves; where the members are the
 * same, so are the rows under the root. A run elsewhere is given the time that it takes for what has just changed.
 */
export async function verifyTrees(
  { context }: Followed,
  sinks: readonly PlannedSink[],
  locked: boolean,
): Promise<readonly TreeVerdict[]> {
  const { source, stop } = context;
  for (const until = Date.now() + (locked ? 0 : placesMs); ; await pause(1000, stop)) {
    const presence = await source.ddl?.tables(stop);
    if (presence === undefined) return [];
    const misplaced = await misplacedTables(sinks, presence, stop);
    const found = misplaced.flatMap(({ sink, differences }) =>
      differences.map(({ table, what, remedy }) => ({ sink: sink.name, table, what, remedy: remedy ?? byRun })),
    );
    if (found.length === 0 || Date.now() >= until) return found;
  }
}
