import { formatLsn } from '../api/lsn.ts';
import type { LogFields } from '../api/context.ts';
import type { RunView } from '../observe/run-view.ts';
import { statusRecord } from '../observe/status-record.ts';
import type { RunContext } from './instances.ts';

/** A run that is behind by less than this is no longer catching up. */
const closeBytes = 4 * 1024 * 1024;

/**
 * Looks at the slot now and then, for lag and for the WAL that it keeps, logs the progress, and leaves the figures in the
 * checkpoint where `status` finds them from another process. Watching never ends a run: what fails here is tried again at
 * the next turn.
 */
export function watchSource(context: RunContext, everyMs: number): AsyncDisposable {
  let running: Promise<void> | null = null;
  const timer = setInterval(() => {
    running ??= turn(context)
      .catch(() => {})
      .finally(() => (running = null));
  }, everyMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
      await note(context).catch(() => {});
    },
  };
}

async function turn(context: RunContext): Promise<void> {
  const { view, log } = context;
  try {
    const slot = await context.source.control.slot();
    if (slot !== null) {
      view.sourcePosition = slot.current;
      view.retainedBytes = slot.retainedBytes;
      view.safeBytes = slot.safeBytes;
    }
  } catch (error) {
    log.log('debug', 'watch-failed', error instanceof Error ? error.message : String(error));
  }
  if (view.phase === 'catch-up' && closest(view)) {
    view.enter('follow');
    log.log('info', 'caught-up', 'the stream is followed', progressOf(view));
  }
  log.log('info', 'progress', view.phase, progressOf(view));
  await note(context);
}

function closest(view: RunView): boolean {
  const lags = [...view.sinks.values()].map((sink) => view.lagBytes(sink));
  return lags.length > 0 && lags.every((lag) => lag !== null && lag < closeBytes);
}

/** The figures of one line: what is copied while it is copied, then how far the slowest sink is behind. */
function progressOf(view: RunView): LogFields {
  const tables = [...view.tables.values()];
  const sinks = [...view.sinks.values()];
  const worst = (of: (number | null)[]) =>
    of.reduce((most, lag) => (lag === null ? most : Math.max(most ?? 0, lag)), null);
  const sum = (of: number[]) => of.reduce((all, one) => all + one, 0);
  return {
    phase: view.phase,
    tables: tables.length,
    tablesFinished: tables.filter((table) => table.phase === 'finished').length,
    copiedBytes: sum(tables.map((table) => table.bytes)),
    lagBytes: worst(sinks.map((sink) => view.lagBytes(sink))),
    lagSeconds: worst(sinks.map((sink) => view.lagSeconds(sink))),
    transactions: sum(sinks.map((sink) => sink.transactions)),
    changes: sum(sinks.map((sink) => sink.changes)),
    retainedBytes: view.retainedBytes,
    sourcePosition: view.sourcePosition === null ? null : formatLsn(view.sourcePosition),
  };
}

async function note(context: RunContext): Promise<void> {
  if (context.state.head !== null) await context.state.put('status', statusRecord(context.view));
}
