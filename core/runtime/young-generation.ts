import { PerformanceObserver } from 'node:perf_hooks';
import v8 from 'node:v8';

/**
 * Bytes of V8's young generation beyond which it is not let grow: two halves of 16 MB. By itself it grows to 128 MB where rows
 * come fast, for no gain that shows in CPU time.
 */
const enough = 32 << 20;

/**
 * Keeps the young generation small while this lives. Its largest size can only be given on Node's command line; how much it
 * grows by at a collection V8 reads each time, so that is 2 below the limit and 1 above, also after it was shrunk.
 */
export function boundYoungGeneration(limit: number = enough): Disposable {
  let growing = true;
  const look = () => {
    const space = v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    const grow = space === undefined || space.space_size < limit;
    if (grow === growing) return;
    growing = grow;
    v8.setFlagsFromString(`--semi-space-growth-factor=${grow ? 2 : 1}`);
  };
  const observer = new PerformanceObserver(look);
  observer.observe({ entryTypes: ['gc'] });
  return {
    [Symbol.dispose]() {
      observer.disconnect();
      if (!growing) v8.setFlagsFromString('--semi-space-growth-factor=2');
    },
  };
}
