import type { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import { entry, type Single } from '../../pipeline/state/entries.ts';

/** Rows of a table that are to be read again, and how far that is done. */
export type RereadJob = Single<'rereads'>[number];
export type RereadEnd = Single<'rereads-ended'>[number];

/** More than one request names, so that a request's message that is read again after a crash finds its result. */
const endsKept = 200;

/** Jobs in the order of their requests, kept in the checkpoint. */
export class RereadQueue {
  readonly #state: PipelineState;

  constructor(state: PipelineState) {
    this.#state = state;
  }

  get jobs(): readonly RereadJob[] {
    return this.#state.get('rereads') ?? [];
  }
  /** The current job; null also while jobs are paused. */
  get first(): RereadJob | null {
    return this.#state.get('rereads-paused') === null ? (this.jobs[0] ?? null) : null;
  }
  pause(): Promise<void> {
    return this.#state.put('rereads-paused', true);
  }
  resume(): Promise<void> {
    return this.#state.put('rereads-paused', null);
  }
  get #ends(): readonly RereadEnd[] {
    return this.#state.get('rereads-ended') ?? [];
  }

  /** The result of a job; null: it waits, or was never requested. */
  end(id: string): RereadEnd | null {
    return this.#ends.find((end) => end.id === id) ?? null;
  }

  /** Adds the jobs that are new: the stream may bring a message twice. */
  async add(jobs: readonly RereadJob[]): Promise<void> {
    const known = new Set([...this.jobs, ...this.#ends].map(({ id }) => id));
    const added = jobs.filter(({ id }) => !known.has(id));
    if (added.length > 0) await this.#state.put('rereads', [...this.jobs, ...added]);
  }

  async advance(job: RereadJob): Promise<void> {
    await this.#state.put(
      'rereads',
      this.jobs.map((each) => (each.id === job.id ? job : each)),
    );
  }

  async finish(end: RereadEnd): Promise<void> {
    const rest = this.jobs.filter(({ id }) => id !== end.id);
    await this.#state.putAll([
      entry('rereads', rest.length === 0 ? null : rest),
      entry('rereads-ended', [...this.#ends, end].slice(-endsKept)),
    ]);
  }
}
