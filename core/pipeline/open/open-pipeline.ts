import type { PipelineConfig } from '../../config/pipeline-config.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Logger } from '../../base/logger.ts';
import { runtimeError } from '../errors.ts';
import { RunView } from '../progress/run-view.ts';
import { PipelineState } from '../state/pipeline-state.ts';
import { assemble } from './assemble.ts';
import type { Instances, RunContext } from './instances.ts';
import type { Chain } from './chain.ts';
import { ownershipOf } from './ownership.ts';
import { takeOver } from './take-over.ts';
import type { Source } from '../../api/source.ts';
import { RunState } from '../state/run-state.ts';

export interface OpenOptions {
  readonly config: PipelineConfig;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly debugValues: boolean;
  readonly stop: AbortSignal;
  /**
   * `hold`: refused while another process runs the pipeline. `run`: likewise, but several processes may run a shared
   * source. `take-over`: a run in another process is ended first. `none`: only reads.
   */
  readonly lock: 'none' | 'hold' | 'run' | 'take-over';
}

/** A pipeline opened for a verb: everything created, the state loaded, the lock held if requested. */
export interface OpenPipeline extends AsyncDisposable {
  readonly config: PipelineConfig;
  readonly instances: Instances;
  readonly context: RunContext;
  /** The pipelines behind it, where it is looked at together with them. */
  readonly chain?: Chain;
}

export async function openPipeline(options: OpenOptions): Promise<OpenPipeline> {
  const { log, metrics, stop } = options;
  const instances = await assemble(options);
  const config = followedOnly(options.config, instances.source);
  try {
    // The state is loaded under the lock, so it includes what another process saved until its end.
    if (options.lock === 'run' && instances.source.shared === true) await share(instances, stop);
    else if (options.lock === 'hold' || options.lock === 'run') await instances.store.lock(stop);
    if (options.lock === 'take-over')
      await takeOver({ pipeline: config.pipeline, instances, log, stop, timeoutMs: 60_000 });
    const state = await PipelineState.load(instances.store);
    instances.source.control?.claim(ownershipOf(state, instances));
    const run = new RunState();
    const view = new RunView(config.pipeline, run);
    countDeadLetters(instances, state, view);
    const context: RunContext = {
      pipeline: config.pipeline,
      source: instances.source,
      state,
      run,
      view,
      log,
      metrics,
      stop,
    };
    return { config, instances, context, [Symbol.asyncDispose]: () => instances[Symbol.asyncDispose]() };
  } catch (error) {
    await instances[Symbol.asyncDispose]();
    throw error;
  }
}

async function share({ sinks, store }: Instances, stop: AbortSignal): Promise<void> {
  const refused = (what: string) => runtimeError('PGS4115', what);
  const [sink, ...others] = sinks;
  if (sink === undefined || others.length > 0) throw refused('the processes of a group apply to one sink');
  if (sink.sink.stream.claim === undefined)
    throw refused(`sink ${sink.name} (${sink.plugin}) does not keep how far each log is read`);
  if (store.share === undefined) throw refused('the checkpoint cannot be shared');
  await store.share(stop);
}

/** The stream of a source without snapshots contains everything: nothing is copied first. */
function followedOnly(config: PipelineConfig, { snapshot }: Source): PipelineConfig {
  return snapshot === undefined ? { ...config, snapshot: { ...config.snapshot, mode: 'never' } } : config;
}

/** The counts outlive the process, so that `status` can report the total. */
function countDeadLetters({ deadLetters, sinks }: Instances, state: PipelineState, view: RunView): void {
  for (const { name } of sinks) {
    const before = state.deadLetters(name);
    if (before > 0) view.sink(name).deadLetters = before;
  }
  if (deadLetters === null) return;
  deadLetters.onRecorded = (sink, count) => {
    const seen = view.sink(sink);
    seen.deadLetters += count;
    // The failure shows again where it matters: when a position is saved.
    state.setDeadLetters(sink, seen.deadLetters).catch(() => {});
  };
}
