import type { Change, StreamBatch } from '../../../core/api/change.ts';
import type { CommitLsn } from '../../../core/postgres/lsn.ts';
import { everyLane, type Lanes } from './layout.ts';

/** A run of transactions; `alone`: one transaction that a single session applies while the others rest. */
export interface Segment {
  readonly alone: boolean;
  readonly batch: StreamBatch;
}

/**
 * A batch in runs of transactions that lanes may share and such as they may not. A run in front of another transaction ends where
 * that one's commit record starts, which says the same as the end of the commit before. Pure.
 */
export function segmentsOf(
  batch: StreamBatch,
  isAlone: (finalLsn: bigint, changes: readonly Change[]) => boolean,
): readonly Segment[] {
  const { changes } = batch;
  const segments: { alone: boolean; from: number; to: number }[] = [];
  for (let from = 0; from < changes.length; ) {
    const { finalLsn } = changes[from]!.tx;
    let to = from + 1;
    while (to < changes.length && changes[to]!.tx.finalLsn === finalLsn) to++;
    const alone = isAlone(finalLsn, from === 0 && to === changes.length ? changes : changes.slice(from, to));
    const last = segments.at(-1);
    if (last !== undefined && !last.alone && !alone) last.to = to;
    else segments.push({ alone, from, to });
    from = to;
  }
  if (segments.length <= 1) return [{ alone: segments[0]?.alone ?? isAlone(-1n, []), batch }];
  return segments.map(({ alone, from, to }) => {
    const part = changes.slice(from, to);
    if (to === changes.length) return { alone, batch: { ...batch, changes: part } };
    const boundary = changes[to]!.tx.finalLsn as bigint as CommitLsn;
    const { commitTime } = part[part.length - 1]!.tx;
    return { alone, batch: { ...batch, changes: part, boundary, commitTime, transactions: 0, bytes: 0 } };
  });
}

/** The changes of each lane, in order. None of them concerns every lane. */
export function divide(changes: readonly Change[], lanes: Lanes): readonly (readonly Change[])[] {
  const parts: Change[][] = Array.from({ length: lanes.layout.lanes }, () => []);
  for (const change of changes) {
    if (change.kind === 'message' && change.schema === undefined) continue;
    parts[lanes.of(change)]!.push(change);
  }
  return parts;
}

/** What lanes that stand at different positions lack: each has its changes up to its own. What concerned all of them, all have or none. */
export function lacking(changes: readonly Change[], lanes: Lanes, positions: readonly bigint[]): readonly Change[] {
  const top = positions.reduce((a, b) => (a > b ? a : b), 0n);
  const at = (lane: number) => (lane === everyLane ? top : (positions[lane] ?? 0n));
  return changes.filter((change) => change.tx.finalLsn >= at(lanes.of(change)));
}
