import { failpoint } from '../../base/failpoint.ts';
import { formatSeconds } from '../../base/format.ts';
import type { RunContext } from '../../pipeline/open/instances.ts';
import type { Planning } from '../../pipeline/open/planning.ts';
import { ownershipOf } from '../../pipeline/open/ownership.ts';
import { checkPublication, withPublicationGuard } from '../../pipeline/open/publication-guard.ts';
import { takeOver } from '../../pipeline/open/take-over.ts';
import { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import { verifyError } from '../verify/errors.ts';
import { compareDefaults, type VerifyReport } from '../verify/run-verify.ts';
import { awaitTaken } from '../verify/verify-trees.ts';
import { planKnown, verifyPipeline } from '../verify/verify-pipeline.ts';
import type { CutoverOptions, CutoverReport } from './options.ts';
import { checkReady, waitForLag } from './preconditions.ts';
import { readRecord, writeRecord } from './record.ts';
import { carrySequences, leftOutLines, sequenceLines } from './sequences.ts';
import { type Switched, switchOver } from './switch-over.ts';
import { tryWayBack } from './way-back.ts';
import { differingTables } from '../verify/differing.ts';
import { coveredBefore } from './covered.ts';
import { fencedTables, refuseUnfenced, waitForWriters } from './fence.ts';
import { lookBehind, openTargets } from './after-go.ts';
import { pendingTables } from '../../pipeline/state/known-tables.ts';
import { relationName } from '../../postgres/relation.ts';
import { finishUnlogged, unloggedTables } from './unlogged.ts';
import { endingSql, transactionWords } from './open-transactions.ts';
import type { Uncovered } from '../coverage/uncovered.ts';
import { afterStop } from '../../pipeline/open/capability.ts';

/** Number of ranges that a sample takes of a large table, and rows in each. */
const sample = { sample: 10, rangeRows: 50_000 };

/**
 * The cutover. Until GO the pipeline is intact: an abort or an error undoes what was set up. After GO the cutover is
 * only completed, also after it was killed.
 */
export async function cutover(given: CutoverOptions): Promise<CutoverReport> {
  const options = { ...given, pipeline: await awaitTaken(given.pipeline, given.locked) };
  const { pipeline, say } = options;
  const { context, instances } = pipeline;
  const { head } = context.state;
  if (head?.phase === 'done') {
    if (readRecord(context.state) === null) throw verifyError('PGS7054', 'this pipeline only copied');
    say('already cut over: slot and publication are dropped');
    return { ...nothing, done: true };
  }
  if (head?.phase === 'cutover') {
    say('decided by an earlier cutover: the target is the one to write to');
    await finish(options, await hold(options));
    return { ...nothing, done: true };
  }
  // An earlier cutover was killed while it copied unlogged tables again.
  if (options.locked && head?.phase === 'stream' && pendingTables(context.state).size > 0)
    await finishUnlogged(pipeline, await planKnown(pipeline));
  await checkReady(context, instances);
  await checkPublication(context, pipeline.config.ddl === 'follow');
  failpoint('cutover-preconditions');
  const planning = await planKnown(pipeline);
  if (!options.locked) await waitForLag(context, { bytes: options.maxLag, patience: options.patience, say });
  await pipeline.chain?.settle(options.patience);
  await refuseUnfenced({ options, context, planning });
  for (const line of await leftOutLines(context, planning)) say(line);
  // The snapshot of a verification would wait for the same transactions, without a limit.
  if (options.verify === 'full' || options.verify === 'sampled') await waitForWriters({ options, context, planning });
  const verify = await verifyBefore(options, planning);
  const before = await coveredBefore({ options, context, planning }, differingTables(verify?.tables ?? []));
  if (before.blocked.length > 0) return { ...nothing, verify, blocked: before.blocked };
  await tellOpen(options, planning);
  failpoint('cutover-verified');
  // While another process still runs the pipeline: a missing precondition can be mended without a stop.
  const { wayBack: file, openBack: open, steps } = options;
  if (file !== null) await tryWayBack({ pipeline, planning, file, open, steps });
  if (options.dryRun) return dryRun(options, planning, verify);
  const held = await hold(options);
  failpoint('cutover-taken-over');
  const guard = { added: pipeline.config.ddl === 'follow', lastLook: false };
  const switched = await withPublicationGuard(held, guard, (guarded) =>
    switchOver({
      options,
      pipeline: { ...pipeline, context: guarded },
      context: guarded,
      planning,
      before: readRecord(held.state),
    }),
  );
  if (switched.record === null) return { ...nothing, verify: switched.verify, blocked: switched.blocked };
  failpoint('cutover-go');
  sayGo(options, switched, before.accepted);
  await finish(options, held);
  return { ...nothing, done: true, verify: switched.verify ?? verify, writeStopped: switched.writeStopped };
}

const nothing: CutoverReport = { done: false, verify: null, blocked: [], writeStopped: null };

/** Logs the transactions that the stop of the writers will have to wait for, while there is still time. */
async function tellOpen({ pipeline: { context }, say }: CutoverOptions, planning: Planning): Promise<void> {
  const open = (await context.source.fence?.transactions(fencedTables(planning), context.stop)) ?? [];
  const old = open.filter(({ pid, seconds }) => pid === null || (seconds ?? 0) >= 10);
  for (const each of old) {
    const sql = endingSql(each);
    say(`note: it will have to end first: ${transactionWords(each)}${sql === null ? '' : `; to end it: ${sql}`}`);
  }
}

/** Takes the lock; a run in another process ends at a barrier with everything up to it durable. */
async function hold({ pipeline, locked, patience, say }: CutoverOptions): Promise<RunContext> {
  const { context, instances, config } = pipeline;
  if (locked) return context;
  const { log, stop } = context;
  const there = await takeOver({ pipeline: config.pipeline, instances, log, stop, timeoutMs: patience });
  say(there ? 'the run in the other process has ended at a barrier; this process goes on' : 'this process goes on');
  const state = await PipelineState.load(instances.store);
  context.source.control?.claim(ownershipOf(state, instances));
  return { ...context, state };
}

async function verifyBefore(options: CutoverOptions, planning: Planning): Promise<VerifyReport | null> {
  if (options.verify === 'none' || options.verify === 'final') return null;
  const compare = options.verify === 'sampled' ? { ...compareDefaults, ...sample } : compareDefaults;
  const { pipeline, locked, patience } = options;
  // Unlogged tables are compared after they are copied again.
  const unlogged = new Set(unloggedTables(planning));
  const names = planning.sinks.flatMap(({ plans }) => plans.map((plan) => relationName(plan.source)));
  const only = unlogged.size === 0 ? null : [...new Set(names)].filter((name) => !unlogged.has(name));
  const report = await verifyPipeline({ pipeline, locked, patience, compare, only }, planning);
  const verdict = report.equal ? 'all agree' : 'they differ';
  const what = options.verify === 'sampled' ? 'a sample of ' : '';
  options.say(
    `compared ${what}${report.tables.length} tables in ${report.seconds.toFixed(1)} s, writers going on: ${verdict}`,
  );
  return report;
}

/** Tries what can be tried without ending a run in another process and without an effect on the source. */
async function dryRun(
  options: CutoverOptions,
  planning: Planning,
  verify: VerifyReport | null,
): Promise<CutoverReport> {
  const { pipeline, say } = options;
  const { context } = pipeline;
  for (const line of sequenceLines(await carrySequences(context, planning, say))) say(line);
  if (options.wayBack !== null) say(`the way back can be made; its file is ${options.wayBack}`);
  const slot = await context.source.control?.slot.status(context.stop);
  say(`dry run: nothing was stopped; slot ${slot?.name ?? '(none)'} and its publication stay`);
  return { ...nothing, verify };
}

function sayGo({ say, wayBack }: CutoverOptions, switched: Switched, before: readonly Uncovered[]): void {
  const { writeStopped, accepted } = switched;
  const stopped = writeStopped === null ? '' : ` after ${formatSeconds(writeStopped)} without writes`;
  const words = [...new Set([...before, ...accepted].map(({ name, why }) => `${name} (${why})`))];
  const but = words.length === 0 ? '' : `, but for what was accepted: ${words.join(', ')}`;
  say(`GO${stopped}: the target has everything${but}; point the applications at it`);
  if (wayBack !== null) say(`to keep the old source up to date from now on: pgsluice run ${wayBack}`);
}

async function finish(options: CutoverOptions, context: RunContext): Promise<void> {
  const { say } = options;
  const { state, source } = context;
  const record = readRecord(state);
  await lookBehind(options, context, record);
  const { chain, instances } = options.pipeline;
  await openTargets(chain?.sinks ?? instances.sinks, { say, signal: context.stop });
  for (const words of (await source.control?.cleanup(context.stop)) ?? []) say(`dropped ${words}`);
  failpoint('cutover-cleaned');
  await state.setHead({ ...state.head!, phase: 'done' });
  if (chain !== undefined) say('nothing more comes to the appliers: end them, then run pgsluice cleanup on their file');
  if ((record?.fence ?? null) !== null) say('the fence on the source stays up, so that no write gets lost there');
}

/** Takes down what a killed cutover left, so that the pipeline can run again. Returns whether there was anything. */
export async function abortCutover({
  context,
}: Pick<CutoverOptions['pipeline'], 'context'>): Promise<readonly string[]> {
  const record = readRecord(context.state);
  if (record === null) return [];
  if (context.state.head?.phase !== 'stream')
    throw verifyError('PGS7053', 'the cutover is decided: it can only be finished');
  const done = await lowerFence({ context });
  await writeRecord(context.state, null);
  return ['the cutover is aborted; the pipeline can be run on', ...done];
}

/**
 * Takes the fence down, whether the cutover was decided or not: `cleanup` leaves nothing of the pipeline on the source.
 * Returns what it did, in words.
 */
export async function lowerFence({
  context: { state, source },
}: Pick<CutoverOptions['pipeline'], 'context'>): Promise<readonly string[]> {
  const fence = readRecord(state)?.fence ?? null;
  return fence === null ? [] : ((await source.fence?.down(fence, afterStop())) ?? []);
}
