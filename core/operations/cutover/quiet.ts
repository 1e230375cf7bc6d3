import { setTimeout as sleep } from 'node:timers/promises';
import { verifyError } from '../verify/errors.ts';
import type { Follower } from './follower.ts';

export interface Quiet {
  /** Changes that had come by then: one more, and it was not quiet. */
  readonly changes: number;
  /** When the writers stopped (performance.now): the fence went up; without one, the last change was seen or the waiting began. */
  readonly since: number;
}

/** Between two looks, in milliseconds; each is a barrier through the source's WAL. */
const between = 50;

/**
 * Waits until no change of a replicated table has come for `quiet` milliseconds, everything before applied and durable.
 * `patience`: milliseconds after which it gives up with PGS7005.
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
