import type { LogFields } from '../../base/logger.ts';
import { PgsluiceError } from '../../base/error.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import { copyFigures } from '../../pipeline/progress/copy-figures.ts';
import { Growth, RateMeter, type Rates } from '../../pipeline/progress/rates.ts';
import type { RunView, SinkView } from '../../pipeline/progress/run-view.ts';
import { statusRecord } from '../../pipeline/progress/status-record.ts';
import type { RunContext } from '../../pipeline/open/instances.ts';

/** A run with a smaller lag is no longer catching up. */
const closeBytes = 4 * 1024 * 1024;

export interface WatchOptions {
  /** Milliseconds between two looks at the source, each with a note in the checkpoint. */
  readonly lookEvery: number;
  /** Milliseconds between two lines of the log. */
  readonly logEvery: number;
}

/**
 * Looks at the slot periodically, for the lag and for the WAL that the slot keeps, logs the progress, and stores the
 * figures in the checkpoint, where `status` of another process reads them. Watching never ends a run: a failed look is
 * repeated at the next turn.
 */
export function watchSource(context: RunContext, options: WatchOptions): AsyncDisposable {
  const watch = new Watch(context, options);
  let running: Promise<void> | null = null;
  const turn = () => {
    running ??= watch
      .turn()
      .catch(() => {})
      .finally(() => (running = null));
  };
  const timer = setInterval(turn, options.lookEvery);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      watch.stopLooking();
      await running;
      await watch.end().catch(() => {});
    },
  };
}

class Watch {
  readonly #context: RunContext;
  readonly #logEvery: number;
  readonly #meter = new RateMeter();
  readonly #retained = new Growth();
  readonly #ending = new AbortController();
  #logged = Date.now();

  constructor(context: RunContext, options: WatchOptions) {
    this.#context = context;
    this.#logEvery = options.logEvery;
    // The first line reports the state at the start.
    this.#meter.sample(context.view, Date.now());
  }

  async turn(): Promise<void> {
    const { run, view, log } = this.#context;
    await this.#look();
    const now = Date.now();
    view.rates = this.#meter.sample(view, now);
    noteHistory(view, this.#meter.measured, now);
    if (run.phase === 'catch-up' && closest(view)) {
      run.enter('follow');
      log.log('info', 'caught-up', 'the stream is followed', progressOf(view));
    }
    // Half a turn of tolerance, so that a timer that fires a little early does not halve the number of lines.
    if (now - this.#logged + 500 >= this.#logEvery) {
      this.#logged = now;
      log.log('info', 'progress', view.phase, progressOf(view));
    }
    await note(this.#context);
  }

  /** Does not wait for a query that is under way on the source. */
  stopLooking(): void {
    this.#ending.abort();
  }

  async end(): Promise<void> {
    this.#context.view.ended = true;
    await note(this.#context);
  }

  async #look(): Promise<void> {
    const { view, log, source } = this.#context;
    try {
      const slot = (await source.control?.slot.status(this.#ending.signal)) ?? null;
      const current = source.control === undefined ? (await source.open(this.#ending.signal)).end : slot?.current;
      view.sourceError = null;
      if (current === undefined) return;
      const now = Date.now();
      view.sawSource(current);
      view.clock.note(current, now);
      if (slot === null) return;
      view.retainedBytes = slot.retainedBytes;
      view.safeBytes = slot.safeBytes;
      view.walStatus = slot.walStatus;
      view.held = slot.held ?? null;
      this.#retained.note(slot.retainedBytes, now);
      view.retainedGrowth = this.#retained.perSecond();
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      view.sourceError = error instanceof PgsluiceError ? error.code : 'unknown';
      log.log('debug', 'watch-failed', error instanceof Error ? error.message : String(error));
    }
  }
}

function closest(view: RunView): boolean {
  const lags = [...view.sinks.values()].map((sink) => view.lagBytes(sink));
  return lags.length > 0 && lags.every((lag) => lag !== null && lag < closeBytes);
}

function noteHistory(view: RunView, { changes, transactions, copyBytes }: Rates, at: number): void {
  const { retainedBytes, safeBytes } = view;
  view.history.note({
    at,
    lagBytes: worst(view, (sink) => view.lagBytes(sink)),
    lagSeconds: worst(view, (sink) => view.lagSeconds(sink, at)),
    changes,
    transactions,
    copyBytes,
    retainedBytes,
    limitBytes: retainedBytes === null || safeBytes === null ? null : retainedBytes + safeBytes,
  });
}

/** Of the slowest sink; null if nothing is known of any. */
function worst(view: RunView, of: (sink: SinkView) => number | null): number | null {
  let most: number | null = null;
  for (const sink of view.sinks.values()) {
    const value = of(sink);
    if (value !== null && (most === null || value > most)) most = value;
  }
  return most;
}

/** The figures of one line: the copy while it is under way, then the lag of the slowest sink. */
function progressOf(view: RunView): LogFields {
  const copy = copyFigures(view, Date.now());
  const sinks = [...view.sinks.values()];
  const sum = (of: number[]) => of.reduce((all, one) => all + one, 0);
  return {
    phase: view.phase,
    tables: copy.tables,
    tablesFinished: copy.finished,
    copiedBytes: copy.bytes,
    copiedRows: copy.rows,
    secondsLeft: copy.secondsLeft,
    lagBytes: worst(view, (sink) => view.lagBytes(sink)),
    lagSeconds: worst(view, (sink) => view.lagSeconds(sink)),
    lagTransactions: worst(view, (sink) => view.lagTransactions(sink)),
    transactions: sum(sinks.map((sink) => sink.transactions)),
    changes: sum(sinks.map((sink) => sink.changes)),
    changesPerSecond: Math.round(view.rates.changes),
    retainedBytes: view.retainedBytes,
    sourcePosition: view.sourcePosition === null ? null : formatLsn(view.sourcePosition),
  };
}

async function note(context: RunContext): Promise<void> {
  if (context.state.head !== null) await context.state.put('status', statusRecord(context.view));
}
