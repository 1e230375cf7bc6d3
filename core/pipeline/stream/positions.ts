import type { CommitLsn, HandoffLsn, ResumePoint } from '../../postgres/lsn.ts';
import type { PipelineState } from '../state/pipeline-state.ts';
import type { PlannedSink } from '../open/instances.ts';

/** Position of each sink, and where the stream has to start for all of them. */
export interface Positions {
  readonly bySink: ReadonlyMap<string, CommitLsn>;
  readonly from: ResumePoint;
  /** See StreamStart.acknowledged. */
  readonly acknowledged: bigint | null;
}

/**
 * Asks every sink for its position (its own, else the checkpoint's, else the slot's consistent point). The noted idle
 * position counts only if no sink has fallen behind its position at that time: for a target that was restored from a
 * backup, the source then checks for a gap instead of leaving it unnoticed.
 */
export async function findPositions(
  sinks: readonly PlannedSink[],
  state: PipelineState,
  handoff: HandoffLsn,
  signal: AbortSignal,
): Promise<Positions> {
  const bySink = new Map<string, CommitLsn>();
  let from: bigint | null = null;
  for (const { name, sink } of sinks) {
    const known: bigint = (await sink.stream.resume(signal)) ?? state.position(name) ?? handoff;
    // A position below the slot's consistent point was left by an earlier pipeline of this name.
    const at = known > handoff ? known : handoff;
    bySink.set(name, at as CommitLsn);
    if (from === null || at < from) from = at;
  }
  return { bySink, from: (from ?? handoff) as ResumePoint, acknowledged: idleNote(state, bySink) };
}

/** Notes an idle position with the position of every sink, before it is confirmed (I3). */
export function noteIdle(state: PipelineState, at: bigint, durable: ReadonlyMap<string, bigint>): Promise<void> {
  return state.put('idle', { at, sinks: Object.fromEntries(durable) });
}

function idleNote(state: PipelineState, bySink: ReadonlyMap<string, bigint>): bigint | null {
  const note = state.get('idle');
  if (note === null) return null;
  for (const [name, at] of bySink) {
    const then = note.sinks[name];
    if (then === undefined || then > at) return null;
  }
  return note.at;
}
