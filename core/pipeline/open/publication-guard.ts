import type { PgsluiceError } from '../../base/error.ts';
import type { PublicationTrouble } from '../../api/source-control.ts';
import { knownNames, pendingTables } from '../state/known-tables.ts';
import type { PipelineState } from '../state/pipeline-state.ts';
import type { RunContext } from './instances.ts';
import { entry } from '../state/entries.ts';

const key = 'publication' as const;
/** The pipeline itself is altering the publication, which therefore differs from its note. */
const altering = 'publication-altering' as const;

/** Milliseconds from the end of a look to the next; after a slow look the pause is longer. */
const every = 1000;
const share = 20;

type Guarded = Pick<RunContext, 'source' | 'state' | 'stop'>;

/**
 * Wraps every statement that makes or alters the pipeline's publication, and notes the result. A kill between statement
 * and note is not taken for a change by others.
 */
export async function alterPublication({ source, state, stop }: Guarded, alter: () => Promise<void>): Promise<void> {
  await state.put(altering, true);
  await alter();
  await state.putAll([entry(key, (await source.control?.publication.read(stop)) ?? null), entry(altering, null)]);
}

/** The pipeline itself dropped the publication. */
export async function forgetPublication({ state }: Pick<Guarded, 'state'>): Promise<void> {
  if (state.get(key) !== null) await state.put(key, null);
}

/**
 * One look. Throws if a table had to be taken out of the publication so that writes on the source succeed (I10), or if
 * another user changed the publication: later writes were not sent. `added`: see {@link PublicationControl.watch}.
 */
export async function checkPublication(context: Guarded, added: boolean): Promise<void> {
  const error = await lookAtPublication(context, added);
  if (error !== null) throw error;
}

async function lookAtPublication({ source, state, stop }: Guarded, added: boolean): Promise<PgsluiceError | null> {
  const note = () => (state.get(altering) === null ? state.get(key) : null);
  const before = note();
  const found = (await source.control?.publication.watch(before, added, stop)) ?? [];
  const stands = note() === before;
  const [first] = found.filter((trouble) => trouble.kind === 'freed' || (stands && counts(trouble, state)));
  return first?.error ?? null;
}

/** Tables that are copied again have missed nothing. */
function counts({ kind, tables }: PublicationTrouble, state: PipelineState): boolean {
  if (kind === 'gone') return true;
  const pending = pendingTables(state);
  if (pending.size === 0) return true;
  const missed = tables ?? [...(knownNames(state) ?? [])];
  return missed.length === 0 || missed.some((table) => !pending.has(table));
}

export interface GuardOptions {
  /** See {@link PublicationControl.watch}. */
  readonly added: boolean;
  /** Default true; false: the work looks itself before it decides. */
  readonly lastLook?: boolean;
}

/**
 * Runs `work` with a look at the publication every second, the first before it and the last after it. A finding ends
 * the work as a signal would, after the current transaction, and is thrown.
 */
export async function withPublicationGuard<T>(
  context: RunContext,
  { added, lastLook = true }: GuardOptions,
  work: (context: RunContext) => Promise<T>,
): Promise<T> {
  await checkPublication(context, added);
  const guard = new Guard(context, added);
  try {
    const result = await work({ ...context, stop: AbortSignal.any([context.stop, guard.signal]) });
    await guard.end();
    if (lastLook && !context.stop.aborted) await checkPublication(context, added);
    return result;
  } catch (error) {
    await guard.end();
    throw error;
  } finally {
    await guard.stop();
  }
}

class Guard {
  readonly #found = new AbortController();
  readonly #look: () => Promise<PgsluiceError | null>;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(context: RunContext, added: boolean) {
    this.#look = () => lookAtPublication(context, added);
    this.#next(every);
  }

  get signal(): AbortSignal {
    return this.#found.signal;
  }

  /** Throws the finding, whatever the result of the work. */
  async end(): Promise<void> {
    await this.stop();
    this.#found.signal.throwIfAborted();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #next(wait: number): void {
    if (this.#stopped || this.#found.signal.aborted) return;
    this.#timer = setTimeout(() => (this.#looking = this.#turn()), wait);
    this.#timer.unref();
  }

  async #turn(): Promise<void> {
    const since = performance.now();
    // If the source is unreachable for a moment, the stream and the copy retry on their own.
    const error = await this.#look().catch(() => null);
    if (error !== null) return this.#found.abort(error);
    this.#next(Math.max(every, (performance.now() - since) * share));
  }
}
