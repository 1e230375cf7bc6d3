import { setTimeout as sleep } from 'node:timers/promises';
import { verifyError } from '../verify/errors.ts';
import type { Follower } from './follower.ts';

export interface Quiet {
  /** The number of changes at that moment: a higher number means that the source was not quiet. */
  readonly changes: number;
  /**
   * When the writers stopped (performance.now): when the fence went up; without a fence, when the last change was seen
   * or the waiting began.
   */
  readonly since: number;
}

/** Milliseconds between two looks; each is a barrier through the source's WAL. */
const between = 50;

/**
 * Waits until no change of a replicated table has arrived for `quiet` milliseconds, with everything before applied and
 * durable. `patience`: milliseconds after which it gives up with PGS7005.
 */
export async function waitForQuiet(
  follower: Follower,
  bound: { readonly quiet: number; readonly patience: number; readonly signal: AbortSignal },
): Promise<Quiet> {
  const started = performance.now();
  let changes = follower.changes;
  let since = started;
  for (;;) {
    await follower.barrier();
    const now = performance.now();
    if (follower.changes !== changes) [changes, since] = [follower.changes, now];
    if (now - since >= bound.quiet) return { changes, since };
    if (now - started > bound.patience) {
      throw verifyError('PGS7005', `changes kept coming for ${Math.round(bound.patience / 1000)} s`);
    }
    await sleep(Math.min(between, bound.quiet), undefined, { signal: bound.signal });
  }
}
