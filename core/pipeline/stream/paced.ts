import type { StreamBatch } from '../../api/change.ts';
import type { MapperPace } from '../../api/plan.ts';

/**
 * A batch in pieces, of which only the last has the boundary: what is fetched for one piece is given away before the next
 * is begun (I8).
 */
export function* paced(batch: StreamBatch, pace: MapperPace): Generator<StreamBatch> {
  const { changes } = batch;
  let from = 0;
  for (let end = upTo(pace, batch, 0); end < changes.length; end = upTo(pace, batch, from)) {
    const piece = changes.slice(from, end);
    yield { ...batch, changes: piece, boundary: null, commitTime: null, transactions: 0, bytes: 0 };
    from = end;
  }
  yield from === 0 ? batch : { ...batch, changes: changes.slice(from) };
}

function upTo(pace: MapperPace, { changes }: StreamBatch, from: number): number {
  // At least one goes on.
  return Math.max(from + 1, pace.upTo(changes, from));
}
