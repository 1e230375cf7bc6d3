import { interruptedTwice } from '../base/exit-codes.ts';
import type { Output } from './cli.ts';

/**
 * Runs `run` with a signal that the first SIGINT or SIGTERM aborts, so that the work ends after the current transaction
 * and saves its state; a second one ends the process at once with 130. The error of the abort itself is swallowed, as
 * stopping was requested.
 */
export async function withSignals(stderr: Output, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      // oxlint-disable-next-line unicorn/no-process-exit -- asked for twice: nothing may hold it up
      process.exit(interruptedTwice);
    }
    stderr.write(`${name}: stopping after the current transaction; press again to quit immediately\n`);
    controller.abort(new DOMException(`stopped by ${name}`, 'AbortError'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    await run(controller.signal);
  } catch (error) {
    if (!(controller.signal.aborted && (error === controller.signal.reason || isAbort(error)))) throw error;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
