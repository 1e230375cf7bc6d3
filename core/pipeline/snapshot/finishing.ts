import type { TablePlan } from '../../api/plan.ts';
import type { SnapshotLsn } from '../../postgres/lsn.ts';
import { relationName } from '../../postgres/relation.ts';
import { runtimeError } from '../errors.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';

/** Index builds of finished tables, beside the copies; the sink bounds how many run at once. */
export class Finishing {
  readonly #context: RunContext;
  readonly #signal: AbortSignal;
  readonly #onFailure: (error: unknown) => void;
  readonly #running = new Set<Promise<void>>();

  constructor(context: RunContext, signal: AbortSignal, onFailure: (error: unknown) => void) {
    this.#context = context;
    this.#signal = signal;
    this.#onFailure = onFailure;
  }

  /** Tables whose rows an earlier run brought, but not their indexes. */
  takeCopied(sinks: readonly PlannedSink[]): void {
    for (const sink of sinks) {
      for (const plan of sink.plans) {
        const state = this.#context.state.table(sink.name, relationName(plan.source));
        if (state?.state === 'copied') this.start(sink, plan, state.exactAt);
      }
    }
  }

  start(sink: PlannedSink, plan: TablePlan, exactAt: SnapshotLsn): void {
    this.follow(this.#finish(sink, plan, exactAt));
  }

  /** Its failure is the snapshot's, and the snapshot does not end before it. */
  follow(work: Promise<void>): void {
    const running = work.catch(this.#onFailure);
    this.#running.add(running);
    void running.then(() => this.#running.delete(running));
  }

  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #finish(sink: PlannedSink, plan: TablePlan, exactAt: SnapshotLsn): Promise<void> {
    const { state, view, log } = this.#context;
    const name = relationName(plan.source);
    const table = view.table(sink.name, plan, 0);
    table.phase = 'indexing';
    await sink.sink.snapshot.finishTable?.(plan, exactAt, this.#signal);
    const before = state.table(sink.name, name);
    if (before === null) throw runtimeError('PGS6002', `the state of ${name} vanished while it was finished`);
    await state.setTable(sink.name, name, { ...before, state: 'finished' });
    table.phase = 'finished';
    table.finishedAt = Date.now();
    log.log('info', 'table-finished', `${name} is finished`, { table: name, sink: sink.name });
  }
}
