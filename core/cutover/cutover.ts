import type { Json } from '../api/checkpoint.ts';
import type { OpenPipeline } from '../runtime/open-pipeline.ts';
import { type Planning, planSinks } from '../runtime/planning.ts';
import { alignHere } from '../verify/aligned.ts';
import { verifyError } from '../verify/errors.ts';
import { compareDefaults, verifyAll, type VerifyReport } from '../verify/run-verify.ts';
import { catchUp } from './catch-up.ts';

/**
 * What is recorded, for a cut-over that was killed. `quiet`: verified, sequences set, and nothing came after; only the
 * drop is left. `dropped`: through. Everything before is cheap or must be seen again, so it is done again.
 */
type CutoverStep = 'quiet' | 'dropped';

export interface CutoverOptions {
  readonly pipeline: OpenPipeline;
  /** Everything but the irreversible. */
  readonly dryRun: boolean;
  readonly skipVerify: boolean;
  /** A line for people per step. */
  readonly say: (line: string) => void;
}

export interface CutoverReport {
  readonly done: boolean;
  readonly verify: VerifyReport | null;
  readonly seconds: number;
}

/**
 * The switch-over, from a pipeline whose lock the caller holds (a run in another process has ended at a barrier). Until
 * the last step the pipeline is intact: an abort leaves it to be run on.
 */
export async function cutover(options: CutoverOptions): Promise<CutoverReport> {
  const { context, instances } = options.pipeline;
  const started = performance.now();
  const { head } = context.state;
  if (head?.phase === 'done') {
    options.say('already cut over: slot and publication are dropped');
    return { done: true, verify: null, seconds: 0 };
  }
  if (head === null || (head.phase !== 'stream' && head.phase !== 'cutover')) {
    throw verifyError('PGS7004', `the pipeline is in phase ${head?.phase ?? 'not started'}`);
  }
  const recorded = lastStep(context.state.get('cutover'));
  if (recorded === 'quiet') return finish(options, null, started);
  const catalog = await context.source.catalog(context.stop);
  const planning = await planSinks(instances.sinks, catalog, true, context.stop);
  const position = await context.source.control.position();
  await catchUp(context, planning, position);
  options.say("every sink is durable up to the source's position");
  const verify = options.skipVerify ? null : await verifyNow(options, planning);
  if (verify?.equal === false) return { done: false, verify, seconds: (performance.now() - started) / 1000 };
  await sequences(options, planning);
  await quiet(options, planning);
  if (options.dryRun) {
    options.say('dry run: slot and publication stay; the pipeline can be run on');
    return { done: false, verify, seconds: (performance.now() - started) / 1000 };
  }
  await record(options, 'quiet');
  return finish(options, verify, started);
}

async function verifyNow(options: CutoverOptions, planning: Planning): Promise<VerifyReport> {
  const { context } = options.pipeline;
  await using aligned = await alignHere(context, planning);
  const more = { compare: compareDefaults, log: context.log, signal: context.stop, only: null };
  const report = await verifyAll(context.source, planning.sinks, aligned, more);
  options.say(
    `verified ${report.tables.length} tables in ${report.seconds.toFixed(1)} s: ${report.equal ? 'all agree' : 'they differ'}`,
  );
  return report;
}

async function sequences(options: CutoverOptions, planning: Planning): Promise<void> {
  const { context } = options.pipeline;
  const states = await context.source.control.sequences();
  for (const { sink, plans } of planning.sinks) {
    if (sink.cutover === null) continue;
    const set = await sink.cutover.setSequences(states, plans, context.stop);
    options.say(`${set.length} sequences set`);
    const refreshed = await sink.cutover.refresh(context.stop);
    if (refreshed.length > 0) options.say(`${refreshed.length} materialized views refreshed`);
  }
}

/** Whoever still writes on the source would lose it: what came since is applied, and refused as a state to end in. */
async function quiet(options: CutoverOptions, planning: Planning): Promise<void> {
  const { context } = options.pipeline;
  const changes = await catchUp(context, planning, await context.source.control.position());
  if (changes > 0) {
    throw verifyError('PGS7005', `${changes} changes came after the barrier: the source is still being written`);
  }
}

async function finish(options: CutoverOptions, verify: VerifyReport | null, started: number): Promise<CutoverReport> {
  const { context } = options.pipeline;
  const dropped = await context.source.control.cleanup();
  for (const words of dropped) options.say(`dropped ${words}`);
  await context.state.setHead({ ...context.state.head!, phase: 'done' });
  await record(options, 'dropped');
  return { done: true, verify, seconds: (performance.now() - started) / 1000 };
}

async function record(options: CutoverOptions, step: CutoverStep): Promise<void> {
  await options.pipeline.context.state.put('cutover', { step, at: Date.now() });
}

function lastStep(value: Json): string | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
  return String((value as { readonly [key: string]: Json })['step']);
}
