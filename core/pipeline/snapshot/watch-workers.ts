import type { CopyRun } from './copy-chunk.ts';
import type { Ranges } from './ranges.ts';

/** Milliseconds between two looks at what other processes do. */
const every = 2000;

/** Shows the processes that take part in the copy, and what they have copied. What fails here is looked at again. */
export function watchWorkers(run: CopyRun, ranges: Ranges): AsyncDisposable {
  let running: Promise<void> | null = null;
  const timer = setInterval(() => {
    running ??= look(run, ranges)
      .catch(() => {})
      .finally(() => (running = null));
  }, every);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
      run.context.view.workers = [];
    },
  };
}

async function look({ context, round, signal }: CopyRun, ranges: Ranges): Promise<void> {
  const each = await Promise.all(round.sinks.map(({ sink }) => sink.snapshot.ranges?.shared.workers() ?? []));
  const workers = [...new Map(each.flat().map((worker) => [worker.id, worker])).values()];
  context.view.workers = workers;
  if (workers.length === 0) return;
  for (const [sink, jobs] of Map.groupBy(ranges.left, (job) => job.sink)) {
    const ledgers = jobs.map((job) => job.ledger!.noted.id);
    const all = await sink.sink.snapshot.ranges!.progress(ledgers, signal);
    for (const job of jobs) {
      const found = all.get(job.ledger!.noted.id);
      if (found !== undefined) job.allIn(found);
    }
  }
}
