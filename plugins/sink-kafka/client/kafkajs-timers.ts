import { createRequire } from 'node:module';

/** What is used of kafkajs's request queue (2.2.4, src/network/requestQueue). */
interface RequestQueue {
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  readonly throttledUntil: number;
  readonly pending: readonly unknown[];
  checkPendingRequests(): void;
}
/** As kafkajs has it, in milliseconds. */
const interval = 10;
let done = false;

/**
 * kafkajs starts the timer of its request queue also when nothing is pending, with the time from now to "never throttled".
 * That is negative, so the timer fires every millisecond for as long as the process lives, and Node 24 warns on stderr. An
 * empty queue needs no timer: whatever is put into it starts one.
 */
export function withoutNegativeTimers(): void {
  if (done) return;
  done = true;
  const queue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as { readonly prototype: object };
  Object.defineProperty(queue.prototype, 'scheduleCheckPendingRequests', {
    configurable: true,
    writable: true,
    value(this: RequestQueue): void {
      if (this.pending.length === 0 || this.throttleCheckTimeoutId !== null) return;
      const wait = this.throttledUntil - Date.now();
      this.throttleCheckTimeoutId = setTimeout(
        () => {
          this.throttleCheckTimeoutId = null;
          this.checkPendingRequests();
        },
        wait > 0 ? wait : interval,
      );
    },
  });
}
