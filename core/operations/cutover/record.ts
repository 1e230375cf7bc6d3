import type { Json } from '../../api/checkpoint.ts';
import { formatLsn, parseLsn } from '../../postgres/lsn.ts';
import type { PipelineState } from '../../pipeline/state/pipeline-state.ts';

/**
 * What is noted of a cut-over before it is decided, for one that was killed. The decision itself is the head's phase: from
 * `cutover` on the target is the one to write to, and only slot and publication are left to drop.
 */
export interface CutoverRecord {
  /** What takes the fence down again; null: there is none. */
  readonly fence: Json;
  /** File of the pipeline that leads back. */
  readonly wayBack: string | null;
  /** Everything that was committed on the source up to here is in the target: whatever comes later is not. Null: not decided. */
  readonly goAt: bigint | null;
  /** What the go said was accepted. */
  readonly accepted: readonly string[];
}

export function readRecord(state: PipelineState): CutoverRecord | null {
  const value = state.get('cutover');
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  const { fence, wayBack, goAt, accepted } = value as { readonly [key: string]: Json };
  return {
    fence: fence ?? null,
    wayBack: typeof wayBack === 'string' ? wayBack : null,
    goAt: typeof goAt === 'string' ? parseLsn(goAt) : null,
    accepted: Array.isArray(accepted) ? accepted.map(String) : [],
  };
}

/** Null: there is no cut-over under way. */
export function writeRecord(state: PipelineState, record: CutoverRecord | null): Promise<void> {
  if (record === null) return state.put('cutover', null);
  const goAt = record.goAt === null ? null : formatLsn(record.goAt);
  return state.put('cutover', { ...record, goAt, at: Date.now() });
}
