import type { StreamBatch } from '../../api/change.ts';

/** What an object of a change with its tuple, and a cell's string, take beside their text. */
const perChange = 160;
const perCell = 32;

/**
 * A row whose cells were read is there twice: the text as it came and the strings. Bytes are passed on without being read.
 */
const copies = { text: 2, binary: 1 } as const;

/** Memory that a batch takes while it waits, in bytes, as an estimate that errs on the large side (I8). */
export function memoryOf(batch: StreamBatch): number {
  let bytes = batch.bytes * copies[batch.values] + 200;
  for (const change of batch.changes) {
    bytes += perChange;
    if (change.kind === 'insert' || change.kind === 'update') bytes += change.relation.columns.length * perCell;
  }
  return bytes;
}
