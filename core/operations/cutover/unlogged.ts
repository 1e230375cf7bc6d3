import { failpoint } from '../../base/failpoint.ts';
import { relationName } from '../../postgres/relation.ts';
import type { Planning } from '../../pipeline/open/planning.ts';
import { knownTables, pendingTables, requestCopy } from '../../pipeline/state/known-tables.ts';
import { copyPending } from '../resync/resync.ts';
import type { Followed } from '../verify/stream-options.ts';
import { readCatalog } from '../../api/source.ts';

/** Names of the tables that are not in the stream. */
export function unloggedTables({ sinks }: Planning): readonly string[] {
  const plans = sinks.flatMap((sink) => sink.plans.filter((plan) => plan.unlogged === true));
  return [...new Set(plans.map((plan) => relationName(plan.source)))];
}

/**
 * Copies the tables as `resync` does: noted first, so that the next process continues after a kill. Meanwhile no
 * process follows the stream, and no session writes.
 */
export async function copyUnlogged(
  of: Followed,
  tables: readonly string[],
  say: (line: string) => void,
): Promise<void> {
  const { context, instances } = of;
  await requestCopy(
    context.state,
    tables,
    instances.sinks.map(({ name }) => name),
  );
  failpoint('cutover-unlogged');
  await copyRequested(of);
  say(`copied again, as they are unlogged: ${tables.join(', ')}`);
}

/** Copies the tables that a killed cutover had begun to copy again, and no others. */
export async function finishUnlogged(of: Followed, planning: Planning): Promise<void> {
  const pending = pendingTables(of.context.state);
  const unlogged = new Set(unloggedTables(planning));
  if (pending.size > 0 && [...pending].every((name) => unlogged.has(name))) await copyRequested(of);
}

async function copyRequested({ context, config, instances }: Followed): Promise<void> {
  const catalog = knownTables(context.state, await readCatalog(context.source, context.stop));
  await copyPending(context, { config, instances, catalog });
}
