import type { TablePlan } from '../../api/plan.ts';
import type { Sink } from '../../api/sink.ts';
import type { Source } from '../../api/source.ts';
import { relationName } from '../../postgres/relation.ts';

/**
 * Lines of `plan` about the division of these tables among the sessions of a sink; empty for a sink with one session.
 */
export async function division(
  { assess }: Pick<Source, 'assess'>,
  { sink, plans }: { readonly sink: Sink; readonly plans: readonly TablePlan[] },
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (sink.division === undefined || assess === undefined) return [];
  const { tables: counters } = await assess.sample(
    plans.map(({ source }) => source.oid),
    signal,
  );
  const tables = plans.map((plan) => {
    const { inserts = 0, updates = 0, deletes = 0 } = counters.get(plan.source.oid) ?? {};
    return { name: relationName(plan.source), writes: inserts + updates + deletes, whole: whole(plan) };
  });
  return sink.division({ tables, connected: await assess.connected(signal) });
}

function whole({ source, tail }: TablePlan): string | null {
  if (tail !== null) return 'goes through a script';
  if (source.kind !== 'table') return 'part of a tree';
  return source.primaryKey.length === 0 ? 'no primary key' : null;
}
