import type { DigestReader, DigestSession } from '../../postgres/digest-query.ts';
import { pause } from '../../base/backoff.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import type { PlannedSink } from '../../pipeline/open/instances.ts';
import type { Aligned } from './aligned.ts';
import { isHoldLost, verifyError } from './errors.ts';
import { Pool } from './pool.ts';
import type { Moment } from './table-progress.ts';

/** One session on each side, at the same position. */
export interface Sides {
  readonly source: DigestSession;
  readonly target: DigestSession;
  /** What both see. */
  readonly at: Moment;
}

/** Lends both sides to work that is done at one position. */
export interface Lender {
  use<R>(work: (sides: Sides) => Promise<R>): Promise<R>;
}

/** A TRUNCATE or a rewrite: the rows that the view should see are in it no more. */
export class RowsGone extends Error {}

export interface ViewsOptions {
  readonly source: DigestReader;
  readonly sinks: readonly PlannedSink[];
  /** Sessions on each side. */
  readonly workers: number;
  readonly signal: AbortSignal;
  /** Milliseconds after which a server ends a statement; absent: never. */
  readonly longest?: number;
  /** Milliseconds after which no work is begun in a view; null: one view serves for all. */
  readonly renewAfter: number | null;
}

/** A hold of a run elsewhere is bounded: a busy moment may be too much for it, the next is not. */
const tries = 5;
/** Views in a row in which a table was truncated or rewritten. */
const mostGone = 10;

/** What is open at one position. */
export interface View {
  readonly bySink: ReadonlyMap<PlannedSink, Pool<Sides>>;
  readonly opened: number;
  readonly close: () => Promise<void>;
}

/**
 * Views of both sides, several sessions of each. A snapshot keeps the source's vacuum from its work, so when a view has grown old
 * the work under way in it ends, and what follows is done in one of a later position.
 */
export class Views implements AsyncDisposable {
  readonly #align: () => Promise<Aligned>;
  readonly #options: ViewsOptions;
  #view: View;
  #old = false;
  #active = 0;
  #idle: (() => void) | null = null;
  #renewing: Promise<void> | null = null;

  private constructor(align: () => Promise<Aligned>, options: ViewsOptions, view: View) {
    this.#align = align;
    this.#options = options;
    this.#view = view;
  }

  static async open(align: () => Promise<Aligned>, options: ViewsOptions): Promise<Views> {
    return new Views(align, options, await openPatiently(align, options));
  }

  of(sink: PlannedSink): Lender {
    return { use: (work) => this.#use(sink, work) };
  }

  async #use<R>(sink: PlannedSink, work: (sides: Sides) => Promise<R>): Promise<R> {
    for (let gone = 0; ; ) {
      this.#options.signal.throwIfAborted();
      await this.#renewing;
      const view = this.#view;
      const done = await view.bySink.get(sink)!.use(async (sides) => {
        if (view !== this.#view || this.#isOld()) return null;
        this.#active++;
        try {
          return { result: await work(sides) };
        } catch (error) {
          if (!(error instanceof RowsGone)) throw error;
          if (this.#options.renewAfter === null || ++gone === mostGone) throw verifyError('PGS5066', error.message);
          this.#old = true;
          return null;
        } finally {
          this.#active--;
          if (this.#active === 0) this.#idle?.();
        }
      });
      if (done !== null) return done.result;
      if (view === this.#view) await (this.#renewing ??= this.#renew().finally(() => (this.#renewing = null)));
    }
  }

  #isOld(): boolean {
    const { renewAfter } = this.#options;
    return this.#old || (renewAfter !== null && performance.now() - this.#view.opened > renewAfter);
  }

  async #renew(): Promise<void> {
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#idle = null;
    await this.#view.close();
    this.#view = await openPatiently(this.#align, this.#options);
    this.#old = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#renewing?.catch(() => {});
    await this.#view.close();
  }
}

async function openPatiently(align: () => Promise<Aligned>, options: ViewsOptions): Promise<View> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openView(align, options);
    } catch (error) {
      if (!isHoldLost(error) || attempt === tries) throw error;
      await pause(1000 * attempt, options.signal);
    }
  }
}

/** Brings both sides to one position and opens sessions there. */
export async function openView(
  align: () => Promise<Aligned>,
  options: Omit<ViewsOptions, 'renewAfter'>,
): Promise<View> {
  const made = new AsyncDisposableStack();
  try {
    const aligned = made.use(await align());
    const bySink = await openAll(aligned, options, made);
    return { bySink, opened: performance.now(), close: () => made.disposeAsync() };
  } catch (error) {
    await made.disposeAsync();
    throw error;
  }
}

async function openAll(
  aligned: Aligned,
  options: Omit<ViewsOptions, 'renewAfter'>,
  made: AsyncDisposableStack,
): Promise<Map<PlannedSink, Pool<Sides>>> {
  const { signal, sinks, source, longest } = options;
  const firsts = new Map<PlannedSink, DigestSession>();
  for (const sink of sinks) firsts.set(sink, made.use(await sink.sink.digests!.open(signal, undefined, longest)));
  // From here on the targets may move: what was opened sees them as they were.
  await aligned.release();
  const first = made.use(await source.open(signal, aligned.snapshot, longest));
  const snapshot = aligned.snapshot ?? (await first.share());
  const at = { position: aligned.at === null ? null : formatLsn(aligned.at), time: new Date().toISOString() };
  const bySink = new Map<PlannedSink, Pool<Sides>>();
  for (const [sink, target] of firsts) {
    const sides: Sides[] = [];
    const shared = options.workers > 1 ? await target.share() : '';
    for (let i = 0; i < options.workers; i++) {
      const mine = bySink.size === 0 && i === 0 ? first : made.use(await source.open(signal, snapshot, longest));
      const theirs = i === 0 ? target : made.use(await sink.sink.digests!.open(signal, shared, longest));
      sides.push({ source: mine, target: theirs, at });
    }
    bySink.set(sink, new Pool(sides));
  }
  return bySink;
}
