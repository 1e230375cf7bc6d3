import type { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import type { Single } from '../../pipeline/state/entries.ts';

/**
 * The record of a cutover before it is decided, for one that was killed. The decision itself is the head's phase: from
 * `cutover` on the target is the one to write to, and only slot and publication are left to drop. `fence`: what takes
 * the fence down again; null: there is none. `wayBack`: file of the reverse pipeline. `goAt`: everything that was
 * committed on the source up to this position is in the target, and later commits are not; null: not decided.
 * `accepted`: the entries that GO reported as accepted.
 */
export type CutoverRecord = Omit<Single<'cutover'>, 'at'>;

export function readRecord(state: PipelineState): CutoverRecord | null {
  return state.get('cutover');
}

/** Null: no cutover is under way. */
export function writeRecord(state: PipelineState, record: CutoverRecord | null): Promise<void> {
  return state.put('cutover', record && { ...record, at: Date.now() });
}
