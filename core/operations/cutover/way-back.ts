import { readFile, writeFile } from 'node:fs/promises';
import type { Finding } from '../../api/check.ts';
import { ensureOwner, ownershipOf } from '../../pipeline/open/ownership.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import { type Planning, planSinks } from '../../pipeline/open/planning.ts';
import { snapshotPhase } from '../../pipeline/snapshot/phase.ts';
import { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import type { SourceCatalog } from '../../api/source.ts';
import { verifyError } from '../verify/errors.ts';
import { wayBackFile, type WayBackSteps } from './way-back-file.ts';
import { readCatalog } from '../../api/source.ts';
import { afterStop } from '../../pipeline/open/capability.ts';

/** Opens the reverse pipeline; with `none` it is only read. */
export type OpenBack = (file: string, lock: 'hold' | 'none') => Promise<OpenPipeline>;

export interface WayBackOptions {
  /** The pipeline that is cut over. */
  readonly pipeline: OpenPipeline;
  readonly planning: Planning;
  /** Path of the reverse pipeline's file. */
  readonly file: string;
  readonly steps: WayBackSteps;
  readonly open: OpenBack;
}

/** Writes the file, which needs no objects on either side. Throws if there is no way back. */
async function writeWayBack(options: Omit<WayBackOptions, 'open'>): Promise<void> {
  const { config } = options.pipeline;
  const { asSink } = config.source.plugin;
  if (asSink === undefined)
    throw verifyError('PGS7009', 'this source cannot be a target, so there is no way back to it');
  const use = config.sinks.find(({ plugin }) => plugin.asSource !== undefined);
  const sink = options.planning.sinks.find(({ name }) => name === use?.name);
  if (use?.plugin.asSource === undefined || sink === undefined)
    throw verifyError('PGS7009', 'the pipeline has no sink that can be a source to come back from');
  const given = { sink: sink.name, asSink, asSource: use.plugin.asSource, steps: options.steps };
  await writeFile(options.file, wayBackFile(await readFile(config.file, 'utf8'), sink.plans, given));
}

/** Writes the file and checks whether a run of it would be refused; makes nothing on either side. */
export async function tryWayBack(options: WayBackOptions): Promise<void> {
  await writeWayBack(options);
  await using pipeline = await options.open(options.file, 'none');
  const { context, instances } = pipeline;
  await planSinks(instances.sinks, await readCatalog(context.source, context.stop), true, context.stop);
  await refuseUnready(pipeline);
}

/**
 * Slot and publication on the target, from which every later write there can be carried back. Planned and published
 * early; the slot is made when the last change from the source is in the target, so that none of those is carried back.
 */
export class WayBack implements AsyncDisposable {
  readonly #pipeline: OpenPipeline;
  readonly #catalog: SourceCatalog;
  readonly #planning: Planning;

  private constructor(pipeline: OpenPipeline, catalog: SourceCatalog, planning: Planning) {
    this.#pipeline = pipeline;
    this.#catalog = catalog;
    this.#planning = planning;
  }

  static async prepare(options: WayBackOptions): Promise<WayBack> {
    await writeWayBack(options);
    const pipeline = await options.open(options.file, 'hold');
    try {
      const { context, instances } = pipeline;
      const catalog = await readCatalog(context.source, context.stop);
      const planning = await planSinks(instances.sinks, catalog, true, context.stop);
      await refuseUnready(pipeline);
      const back = new WayBack(pipeline, catalog, planning);
      // A slot of an earlier try would hold changes that came from the source.
      await back.remove();
      return back;
    } catch (error) {
      await pipeline[Symbol.asyncDispose]();
      throw error;
    }
  }

  get name(): string {
    return this.#pipeline.config.pipeline;
  }

  /** Called when everything from the source is durable in the target, and no session writes there yet. */
  async make(): Promise<void> {
    const { config, instances } = this.#pipeline;
    const context = { ...this.#pipeline.context, state: await PipelineState.load(instances.store) };
    context.source.control?.claim(ownershipOf(context.state, instances));
    await ensureOwner(context.state);
    await snapshotPhase(context, { config, instances, catalog: this.#catalog, planning: this.#planning });
  }

  async remove(): Promise<void> {
    const { context, instances } = this.#pipeline;
    await context.source.control?.cleanup(afterStop());
    await instances.store.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pipeline[Symbol.asyncDispose]();
  }
}

/** Reports the reasons for which a run of the reverse pipeline would be refused before the writers stop, not after. */
async function refuseUnready({ context }: OpenPipeline): Promise<void> {
  const errors: string[] = [];
  const add = ({ level, message, remedy }: Finding) => {
    if (level === 'error') errors.push(remedy === null ? message : `${message}: ${remedy}`);
  };
  await context.source.check?.({ add }, context.stop);
  if (errors.length > 0) throw verifyError('PGS7009', `the target is not ready to be a source: ${errors.join(' · ')}`);
}
