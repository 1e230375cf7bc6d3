import { PerformanceObserver } from 'node:perf_hooks';
import v8 from 'node:v8';

/** How much garbage V8 may let lie before it collects. */
export interface HeapBounds {
  /** Bytes of the young generation beyond which it is not let grow. By itself it grows to 128 MB where rows come fast. */
  readonly young: number;
  /** Percent by which the old generation may grow between two collections; 0: as V8 sees fit, which is several times. */
  readonly growth: number;
}

/** Frames of a copy are no objects, so what is collected often is little: catalogs and notes of thousands of tables. */
export const whileCopying: HeapBounds = { young: 16 << 20, growth: 60 };
/** Two halves of 16 MB: more is no gain that shows in CPU time. */
export const whileFollowing: HeapBounds = { young: 32 << 20, growth: 0 };

/**
 * Keeps the heap within bounds while this lives; they are asked for at each collection. The largest sizes can only be given on
 * Node's command line; how much the young generation grows by at a collection V8 reads each time, so that is 2 below the limit
 * and 1 above, also after it was shrunk.
 */
export function boundHeap(bounds: () => HeapBounds): Disposable {
  let growing = true;
  let growth = 0;
  const setGrowth = (percent: number) => {
    if (percent === growth) return;
    growth = percent;
    v8.setFlagsFromString(`--heap-growing-percent=${percent}`);
  };
  const look = () => {
    const { young, growth: percent } = bounds();
    setGrowth(percent);
    const space = v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    const grow = space === undefined || space.space_size < young;
    if (grow === growing) return;
    growing = grow;
    v8.setFlagsFromString(`--semi-space-growth-factor=${grow ? 2 : 1}`);
  };
  setGrowth(bounds().growth);
  const observer = new PerformanceObserver(look);
  observer.observe({ entryTypes: ['gc'] });
  return {
    [Symbol.dispose]() {
      observer.disconnect();
      setGrowth(0);
      if (!growing) v8.setFlagsFromString('--semi-space-growth-factor=2');
    },
  };
}
