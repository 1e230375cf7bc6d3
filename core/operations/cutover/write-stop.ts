import type { Follower } from './follower.ts';
import { type FenceInput, planFence, proveFence, raiseFence, waitForWriters, writersNow } from './fence.ts';
import { type Quiet, waitForQuiet } from './quiet.ts';
import type { CutoverRecord } from './record.ts';

/**
 * The stop of the writers: on request, by a fence, or both. Every transaction that has written before is waited for.
 */
export class WriteStop {
  readonly #input: FenceInput;
  #record: CutoverRecord;
  #admits: string | null = null;
  #upAt: number | null = null;

  constructor(input: FenceInput, record: CutoverRecord) {
    this.#input = input;
    this.#record = record;
  }

  /** With the fence from the moment at which it is noted, before it goes up. */
  get record(): CutoverRecord {
    return this.#record;
  }

  /** A fence is up: no further change may arrive. */
  get isUp(): boolean {
    return this.#upAt !== null;
  }

  /**
   * The fence of an earlier cutover that was killed may be up already, and is then kept. `admits`: reverse pipeline,
   * whose sessions the fence lets pass.
   */
  async begin(admits: string | null): Promise<void> {
    const { options } = this.#input;
    this.#admits = admits;
    if (this.#record.fence === null && options.fence === 'none') {
      options.say(
        `ready: stop the writers now; going on when no change came for ${options.quiet} ms. Nothing keeps them from coming back`,
      );
      return;
    }
    if (this.#record.fence === null && options.fence === 'auto') {
      options.say(
        `ready: stop the writers now; when no change came for ${options.quiet} ms the tables are closed to writes`,
      );
      return;
    }
    options.say('stop the writers now: the fence goes up');
    await this.#raise();
  }

  /**
   * Resolves when everything that was written is durable in the sinks, and every transaction that had written has
   * ended.
   */
  async wait(follower: Follower): Promise<Quiet> {
    const { options } = this.#input;
    if (this.#upAt !== null) return this.#after(follower, this.#upAt);
    const bound = this.#bound(options.quiet);
    for (;;) {
      const quiet = await waitForQuiet(follower, bound);
      if (options.fence === 'auto') {
        await this.#raise();
        return this.#after(follower, this.#upAt!);
      }
      await waitForWriters(this.#input);
      const now = await waitForQuiet(follower, this.#bound(0));
      if (now.changes === quiet.changes) return quiet;
      options.say('changes came again; waiting for the writers to stop');
    }
  }

  /** Just before GO: the fence is proven, or no session is writing. */
  async holds(): Promise<boolean> {
    if (this.#record.fence === null) return (await writersNow(this.#input)) === 0;
    await proveFence(this.#input, this.#record);
    return true;
  }

  async #after(follower: Follower, upAt: number): Promise<Quiet> {
    const { changes } = await waitForQuiet(follower, this.#bound(0));
    return { changes, since: upAt };
  }

  async #raise(): Promise<void> {
    const started = performance.now();
    this.#record = await planFence(this.#input, this.#record, this.#admits);
    await raiseFence(this.#input, this.#record);
    this.#upAt = started;
  }

  #bound(quiet: number): { readonly quiet: number; readonly patience: number; readonly signal: AbortSignal } {
    const { options, context } = this.#input;
    return { quiet, patience: options.patience, signal: context.stop };
  }
}
