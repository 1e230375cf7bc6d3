import type { RunContext } from '../runtime/instances.ts';
import { mappersOf, type Planning } from '../runtime/planning.ts';
import { runStream } from '../runtime/stream/run-stream.ts';
import { verifyError } from '../verify/errors.ts';
import { countChanges } from './count-changes.ts';

/** Follows the stream in this process up to a position; the caller holds the lock. Returns how many row changes came. */
export async function catchUp(context: RunContext, planning: Planning, until: bigint): Promise<number> {
  const head = context.state.head;
  if (head === null || head.handoff === null) throw verifyError('PGS7004', 'this pipeline has no slot yet');
  const { mappers, changes } = countChanges(mappersOf(planning));
  const { identity, handoff } = head;
  // A barrier that somebody wrote and gave up waiting for is no end.
  while ((await runStream(context, { sinks: planning.sinks, mappers, identity, handoff, until })) === 'barrier');
  return changes();
}
