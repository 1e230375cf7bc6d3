import { setTimeout as sleep } from 'node:timers/promises';
import { PgsluiceError } from './error.ts';

/** Delay before try number `attempt` (from 1), in milliseconds: 0.2 s doubling up to 30 s. */
export function retryDelay(attempt: number): number {
  return Math.min(30_000, 200 * 2 ** Math.min(attempt - 1, 10));
}

/** Whether to try again: only if the error's code says so, and only while tries are left. */
export function retryable(error: unknown, attempt: number, tries: number): error is PgsluiceError {
  return error instanceof PgsluiceError && error.retry === 'backoff' && attempt < tries;
}

/** Waits, or rejects with the signal's reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}
