import type { RunContext } from './instances.ts';
import { statusRecord } from '../observe/status-record.ts';

/**
 * Looks at the slot now and then, for lag and for the WAL that it keeps, and leaves the figures in the checkpoint where
 * `status` finds them from another process. Watching never ends a run: what fails here is tried again at the next turn.
 */
export function watchSource(context: RunContext, everyMs: number): AsyncDisposable {
  let running: Promise<void> | null = null;
  const turn = async (): Promise<void> => {
    try {
      const slot = await context.source.control.slot();
      if (slot !== null) {
        context.view.sourcePosition = slot.current;
        context.view.retainedBytes = slot.retainedBytes;
        context.view.safeBytes = slot.safeBytes;
      }
    } catch (error) {
      context.log.log('debug', 'watch-failed', error instanceof Error ? error.message : String(error));
    }
    if (context.state.head !== null) await context.state.put('status', statusRecord(context.view));
  };
  const timer = setInterval(() => {
    running ??= turn()
      .catch(() => {})
      .finally(() => (running = null));
  }, everyMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
      if (context.state.head !== null) await context.state.put('status', statusRecord(context.view)).catch(() => {});
    },
  };
}
