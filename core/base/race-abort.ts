/**
 * The first of `promises` to settle, or null as soon as one of the signals is aborted. Promise.race would leave a
 * reaction on every promise that lives as long as the run; this leaves none on the signals, so memory does not grow in
 * a loop of millions.
 */
export function raceAbort<T>(promises: readonly Promise<T>[], signals: readonly AbortSignal[]): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      leave();
      resolve(null);
    };
    const leave = () => {
      for (const signal of signals) signal.removeEventListener('abort', onAbort);
    };
    if (signals.some((signal) => signal.aborted)) {
      // What they bring is no longer asked for, a failure included.
      for (const promise of promises) promise.catch(() => {});
      resolve(null);
      return;
    }
    for (const signal of signals) signal.addEventListener('abort', onAbort, { once: true });
    for (const promise of promises) {
      promise.then(
        (value) => {
          leave();
          resolve(value);
        },
        (error: unknown) => {
          leave();
          reject(error);
        },
      );
    }
  });
}
