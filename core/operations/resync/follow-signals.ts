import { pause, retryDelay } from '../../base/backoff.ts';
import { encodeControl } from '../../pipeline/control/control-message.ts';
import type { PlannedSink, RunContext } from '../../pipeline/open/instances.ts';
import { member } from '../../pipeline/state/entries.ts';

/**
 * Signals that reach sinks from outside (a topic) are put into the source's WAL, so that each has a place in the order
 * of changes and is found again after a crash; only then is it noted that the signal was read.
 */
export class SignalFollower implements AsyncDisposable {
  readonly #over = new AbortController();
  readonly #reading: Promise<unknown>;

  constructor(context: RunContext, sinks: readonly PlannedSink[]) {
    const stop = AbortSignal.any([context.stop, this.#over.signal]);
    this.#reading = Promise.all(sinks.map((sink) => follow(context, sink, stop)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#reading;
  }
}

async function follow(context: RunContext, { name, sink }: PlannedSink, stop: AbortSignal): Promise<void> {
  const { signals } = sink;
  const { control } = context.source;
  if (signals?.next === undefined || control === undefined) return;
  const { state, log, pipeline } = context;
  for (let failures = 0; !stop.aborted; ) {
    try {
      const read = await signals.next(state.of('signals', name), stop);
      for (const { id, type, data } of read.signals)
        await control.emit(encodeControl(pipeline, { kind: 'signal', id, type, data }), stop);
      if (read.mark !== state.of('signals', name)) await state.putAll([member('signals', name, read.mark)]);
      failures = 0;
    } catch (error) {
      if (stop.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      if (++failures === 1) log.log('warn', 'signals-unread', `sink ${name} cannot read signals: ${message}`, {});
      await pause(retryDelay(failures), stop).catch(() => {});
    }
  }
}
