import { randomUUID } from 'node:crypto';
import type { Chain } from '../../pipeline/open/chain.ts';
import type { RunContext } from '../../pipeline/open/instances.ts';
import { encodeControl } from '../../pipeline/control/control-message.ts';
import { runStream, type StreamRunOptions } from '../../pipeline/stream/run-stream.ts';
import type { CommitLsn } from '../../postgres/lsn.ts';
import { verifyError } from '../verify/errors.ts';
import type { ChangeCount } from '../verify/count-changes.ts';
import { type Followed, streamOptions } from '../verify/stream-options.ts';
import { needed } from '../../pipeline/open/capability.ts';

/** A barrier may be lost with a connection that broke while it was acknowledged; another one is then written. */
const again = 5000;
/** Milliseconds that the appliers of a journal may take for what they lack at a barrier. */
const settlePatience = 120_000;

/**
 * Follows the stream in this process, beside the steps of the cutover: everything is connected and planned before the
 * writers stop, and after that only a barrier has to be waited for. The caller holds the pipeline's lock.
 */
export class Follower {
  readonly #context: RunContext;
  readonly #count: ChangeCount;
  readonly #running: Promise<void>;
  readonly #end = new AbortController();
  readonly #waiting = new Map<string, (at: CommitLsn) => void>();
  readonly #chain: Chain | null;

  private constructor(
    { context, chain }: Followed,
    { options, count }: { readonly options: Omit<StreamRunOptions, 'until'>; readonly count: ChangeCount },
  ) {
    this.#context = context;
    this.#chain = chain ?? null;
    this.#count = count;
    this.#running = this.#run(options);
    // The rejection is handled where a barrier or the end is awaited.
    this.#running.catch(() => {});
  }

  static async start(of: Followed): Promise<Follower> {
    return new Follower(of, await streamOptions(of));
  }

  /** Number of changes of replicated tables so far. */
  get changes(): number {
    return this.#count.seen;
  }

  /**
   * Resolves when every sink is durable up to what was committed on the source when this was called, and so is every target behind a
   * journal; with the barrier's own position.
   */
  async barrier(): Promise<CommitLsn> {
    const at = await this.#barrier();
    await this.#chain?.settle(settlePatience);
    return at;
  }

  async #barrier(): Promise<CommitLsn> {
    const { source, pipeline, stop } = this.#context;
    const control = needed(source, 'control', 'a cutover');
    for (;;) {
      stop.throwIfAborted();
      const id = randomUUID();
      const reached = new Promise<CommitLsn>((resolve) => this.#waiting.set(id, resolve));
      await control.emit(encodeControl(pipeline, { kind: 'barrier', id, after: 'go-on' }), stop);
      const timer = timeout(again);
      const ended = this.#running.then(() => 'ended' as const);
      const first = await Promise.race([reached, ended, timer.elapsed]);
      timer.clear();
      this.#waiting.delete(id);
      if (typeof first === 'bigint') return first;
      if (first === 'ended') {
        stop.throwIfAborted();
        return this.ended();
      }
    }
  }

  /** Rejects with an error of the stream, or because the stream ended. */
  async ended(): Promise<never> {
    await this.#running;
    throw verifyError('PGS7003', 'the stream in this process ended');
  }

  /** Ends after the current transaction, with everything durable. Rejects with an error of the stream. */
  async end(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #run(given: Omit<StreamRunOptions, 'until'>): Promise<void> {
    const context = { ...this.#context, stop: AbortSignal.any([this.#context.stop, this.#end.signal]) };
    const options = { ...given, until: null, onBarrier: (id: string, at: CommitLsn) => this.#waiting.get(id)?.(at) };
    // A barrier that was written to end an earlier run does not end this one.
    while (!context.stop.aborted) if ((await runStream(context, options)) !== 'barrier') return;
  }
}

function timeout(ms: number): { readonly elapsed: Promise<'late'>; readonly clear: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const elapsed = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), ms)));
  return { elapsed, clear: () => clearTimeout(timer) };
}
