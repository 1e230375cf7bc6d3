import type { StreamBatch } from '../../api/change.ts';

/** What the objects of a change take beside its text, and what a cell's string does. */
const perChange = 300;
const perCell = 32;

/** Above it a write gains little, and the collector has more to do. */
const mostMergeBytes = 8 << 20;

/**
 * Memory that a batch takes while it waits, in bytes, as an estimate that errs on the large side (I8). A row whose cells are read
 * is there twice: the text as it came and the strings. Bytes are passed on without being read.
 */
export function memoryOf({ bytes, changes, values }: StreamBatch): number {
  if (values === 'binary') return bytes + changes.length * perChange;
  let memory = bytes * 2;
  for (const change of changes) {
    memory += perChange;
    if (change.kind === 'insert' || change.kind === 'update') memory += change.relation.columns.length * perCell;
  }
  return memory;
}

/**
 * Bytes of memory that one write may join. One of several sinks keeps what it wrote until it is durable, for which it has
 * `room`: some writes fit in.
 */
export function mergeBytesOf(room: number, alone: boolean): number {
  return Math.min(mostMergeBytes, alone ? room : room / 4);
}
