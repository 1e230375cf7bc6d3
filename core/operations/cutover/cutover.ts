import { failpoint } from '../../base/failpoint.ts';
import { formatSeconds } from '../../base/format.ts';
import type { RunContext } from '../../pipeline/open/instances.ts';
import type { Planning } from '../../pipeline/open/planning.ts';
import { takeOver } from '../../pipeline/open/take-over.ts';
import { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import { verifyError } from '../verify/errors.ts';
import { compareDefaults, type VerifyReport } from '../verify/run-verify.ts';
import { planKnown, verifyPipeline } from '../verify/verify-pipeline.ts';
import type { CutoverOptions, CutoverReport } from './options.ts';
import { checkReady, waitForLag } from './preconditions.ts';
import { readRecord, writeRecord } from './record.ts';
import { carrySequences, leftOutLines, sequenceLines } from './sequences.ts';
import { switchOver } from './switch-over.ts';
import { writeWayBack } from './way-back.ts';

/** Ranges that a sample takes of a large table, and rows in each. */
const sample = { sample: 10, rangeRows: 50_000 };

/**
 * The switch-over. Until the go the pipeline is intact: an abort or an error undoes what was put up. After the go it only
 * gets finished, also when it was killed.
 */
export async function cutover(options: CutoverOptions): Promise<CutoverReport> {
  const { pipeline, say } = options;
  const { context, instances } = pipeline;
  const { head } = context.state;
  if (head?.phase === 'done') {
    if (readRecord(context.state) === null) throw verifyError('PGS7004', 'this pipeline only copied: it has no stream');
    say('already cut over: slot and publication are dropped');
    return { done: true, verify: null, writeStopped: null };
  }
  if (head?.phase === 'cutover') {
    say('decided by an earlier cutover: the target is the one to write to');
    await finish(options, await hold(options));
    return { done: true, verify: null, writeStopped: null };
  }
  await checkReady(context, instances);
  failpoint('cutover-preconditions');
  const planning = await planKnown(pipeline);
  if (!options.locked) await waitForLag(context, { bytes: options.maxLag, patience: options.patience, say });
  const verify = await verifyBefore(options, planning);
  if (verify?.equal === false) return { done: false, verify, writeStopped: null };
  for (const line of await leftOutLines(context, planning)) say(line);
  failpoint('cutover-verified');
  if (options.dryRun) return dryRun(options, planning, verify);
  const held = await hold(options);
  failpoint('cutover-taken-over');
  const switched = await switchOver({
    options,
    pipeline: { ...pipeline, context: held },
    context: held,
    planning,
    before: readRecord(held.state),
  });
  if (switched.record === null) return { done: false, verify: switched.verify, writeStopped: null };
  failpoint('cutover-go');
  sayGo(options, switched.writeStopped);
  await finish(options, held);
  return { done: true, verify: switched.verify ?? verify, writeStopped: switched.writeStopped };
}

/** This process gets the lock; a run elsewhere ends at a barrier with everything up to it durable. */
async function hold({ pipeline, locked, patience, say }: CutoverOptions): Promise<RunContext> {
  const { context, instances, config } = pipeline;
  if (locked) return context;
  const { log, stop } = context;
  const there = await takeOver({ pipeline: config.pipeline, instances, log, stop, timeoutMs: patience });
  say(there ? 'the run in the other process has ended at a barrier; this process goes on' : 'this process goes on');
  return { ...context, state: await PipelineState.load(instances.store) };
}

async function verifyBefore(options: CutoverOptions, planning: Planning): Promise<VerifyReport | null> {
  if (options.verify === 'none' || options.verify === 'final') return null;
  const compare = options.verify === 'sampled' ? { ...compareDefaults, ...sample } : compareDefaults;
  const { pipeline, locked, patience } = options;
  const report = await verifyPipeline({ pipeline, locked, patience, compare }, planning);
  const verdict = report.equal ? 'all agree' : 'they differ';
  const what = options.verify === 'sampled' ? 'a sample of ' : '';
  options.say(
    `compared ${what}${report.tables.length} tables in ${report.seconds.toFixed(1)} s, writers going on: ${verdict}`,
  );
  return report;
}

/** What can be tried without ending a run elsewhere and without anyone noticing. */
async function dryRun(
  options: CutoverOptions,
  planning: Planning,
  verify: VerifyReport | null,
): Promise<CutoverReport> {
  const { pipeline, say } = options;
  const { context } = pipeline;
  for (const line of sequenceLines(await carrySequences(context, planning, say))) say(line);
  if (options.wayBack !== null) {
    await writeWayBack({ pipeline, planning, file: options.wayBack });
    say(`the way back can be made; its file is ${options.wayBack}`);
  }
  const slot = await context.source.control.slot();
  say(`dry run: nothing was stopped; slot ${slot?.name ?? '(none)'} and its publication stay`);
  return { done: false, verify, writeStopped: null };
}

function sayGo({ say, wayBack }: CutoverOptions, writeStopped: number | null): void {
  const stopped = writeStopped === null ? '' : ` after ${formatSeconds(writeStopped)} without writes`;
  say(`GO${stopped}: the target has everything; point the applications at it`);
  if (wayBack !== null) say(`to keep the old source up to date from now on: pgsluice run ${wayBack}`);
}

async function finish({ say }: CutoverOptions, context: RunContext): Promise<void> {
  const { state, source } = context;
  for (const words of await source.control.cleanup()) say(`dropped ${words}`);
  failpoint('cutover-cleaned');
  await state.setHead({ ...state.head!, phase: 'done' });
  const fence = readRecord(state)?.fence ?? null;
  if (fence !== null) say('the fence on the source stays up, so that no write gets lost there');
}

/** Takes down what a killed cut-over left, so that the pipeline can be run on. Returns whether there was something. */
export async function abortCutover({
  context,
}: Pick<CutoverOptions['pipeline'], 'context'>): Promise<readonly string[]> {
  const record = readRecord(context.state);
  if (record === null) return [];
  if (context.state.head?.phase !== 'stream')
    throw verifyError('PGS7004', 'the cut-over is decided: it can only be finished');
  const done = record.fence === null ? [] : ((await context.source.control.fence?.down(record.fence)) ?? []);
  await writeRecord(context.state, null);
  return ['the cut-over is aborted; the pipeline can be run on', ...done];
}
