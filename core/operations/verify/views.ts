import type { DigestReader, DigestSession } from '../../postgres/digest-query.ts';
import { pause } from '../../base/backoff.ts';
import type { PlannedSink } from '../../pipeline/open/instances.ts';
import type { Aligned } from './aligned.ts';
import { isHoldLost } from './errors.ts';
import { Pool } from './pool.ts';

/** One session on each side, at the same position. */
export interface Sides {
  readonly source: DigestSession;
  readonly target: DigestSession;
}

/** Views of both sides, several sessions of each; `bySink` holds sinks that can be read back. */
export interface Views extends AsyncDisposable {
  readonly bySink: ReadonlyMap<PlannedSink, Pool<Sides>>;
  /** See {@link Aligned.at}. */
  readonly at: bigint | null;
}

export interface ViewsOptions {
  readonly source: DigestReader;
  readonly sinks: readonly PlannedSink[];
  /** Sessions on each side. */
  readonly workers: number;
  readonly signal: AbortSignal;
}

/** A hold of a run elsewhere is bounded: a busy moment may be too much for it, the next is not. */
const tries = 5;

/** Brings both sides to one position and opens their views there. */
export async function openViews(align: () => Promise<Aligned>, options: ViewsOptions): Promise<Views> {
  for (let attempt = 1; ; attempt++) {
    const made = new AsyncDisposableStack();
    try {
      const aligned = made.use(await align());
      const bySink = await openAll(aligned, options, made);
      return { bySink, at: aligned.at, [Symbol.asyncDispose]: () => made.disposeAsync() };
    } catch (error) {
      await made.disposeAsync();
      if (!isHoldLost(error) || attempt === tries) throw error;
      await pause(1000 * attempt, options.signal);
    }
  }
}

async function openAll(
  aligned: Aligned,
  options: ViewsOptions,
  made: AsyncDisposableStack,
): Promise<Map<PlannedSink, Pool<Sides>>> {
  const { signal, sinks, source } = options;
  const firsts = new Map<PlannedSink, DigestSession>();
  for (const sink of sinks) firsts.set(sink, made.use(await sink.sink.digests!.open(signal)));
  // From here on the targets may move: what was opened sees them as they were.
  await aligned.release();
  const first = made.use(await source.open(signal, aligned.snapshot));
  const snapshot = aligned.snapshot ?? (await first.share());
  const bySink = new Map<PlannedSink, Pool<Sides>>();
  for (const [sink, target] of firsts) {
    const sides: Sides[] = [];
    const shared = options.workers > 1 ? await target.share() : '';
    for (let i = 0; i < options.workers; i++) {
      const mine = bySink.size === 0 && i === 0 ? first : made.use(await source.open(signal, snapshot));
      const theirs = i === 0 ? target : made.use(await sink.sink.digests!.open(signal, shared));
      sides.push({ source: mine, target: theirs });
    }
    bySink.set(sink, new Pool(sides));
  }
  return bySink;
}
