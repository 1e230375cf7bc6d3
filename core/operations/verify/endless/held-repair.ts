import { needed } from '../../../pipeline/open/capability.ts';
import type { RunContext } from '../../../pipeline/open/instances.ts';
import type { Aligned } from '../aligned.ts';
import type { Job } from './jobs.ts';
import type { Part } from './table-check.ts';

/** Rows that are repaired while the sinks stand still for it. */
export const mostAtOnce = 1000;
const perFetch = 500;
/** Milliseconds of a statement on the source: the sinks stand still meanwhile. */
const longest = 10_000;

/**
 * Copies the rows of a part that differ again while the sinks stand still where the source is read. The sink locks its position, so that
 * what it gets lies before everything that is applied later, also if it went on meanwhile; then nothing is done. Returns how many rows.
 */
export async function repairHeld(
  { source, stop }: RunContext,
  align: () => Promise<Aligned>,
  { sink, queries }: Job,
  part: Part,
): Promise<number> {
  const { after, upTo } = part;
  const names = part.differences.slice(0, mostAtOnce).map(({ key }) => key);
  const aligned = await align();
  let repaired = false;
  try {
    await using reader = await needed(source, 'digests', 'repair').open(stop, aligned.snapshot, longest);
    const rows: (readonly (string | null)[])[] = [];
    for (let at = 0; at < names.length; at += perFetch) {
      const some = names.slice(at, at + perFetch);
      rows.push(...(await reader.fetch({ ...queries.source, after, upTo }, some, stop)));
    }
    const change = { names, rows, standing: aligned.at };
    repaired = await sink.sink.repair!.replace({ ...queries.target, after, upTo }, change, stop);
  } finally {
    // The run may have gone on before; what was done then was done at the locked position all the same.
    await aligned.release().catch(() => {});
    await aligned[Symbol.asyncDispose]();
  }
  return repaired ? names.length : 0;
}
