import type { RunContext } from '../runtime/instances.ts';
import { mappersOf, type Planning } from '../runtime/planning.ts';
import { runStream } from '../runtime/stream/run-stream.ts';
import { verifyError } from '../verify/errors.ts';

/** Follows the stream in this process up to a position; the caller holds the lock. Returns how many row changes came. */
export async function catchUp(context: RunContext, planning: Planning, until: bigint): Promise<number> {
  const head = context.state.head;
  if (head === null || head.handoff === null) throw verifyError('PGS7004', 'this pipeline has no slot yet');
  const before = changesOf(context);
  await runStream(context, {
    sinks: planning.sinks,
    mappers: mappersOf(planning),
    identity: head.identity,
    handoff: head.handoff,
    until,
  });
  return changesOf(context) - before;
}

function changesOf(context: RunContext): number {
  let sum = 0;
  for (const sink of context.view.sinks.values()) sum += sink.changes;
  return sum;
}
