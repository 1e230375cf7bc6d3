import { failpoint } from '../../base/failpoint.ts';
import type { RunContext } from '../../pipeline/open/instances.ts';
import { checkPublication } from '../../pipeline/open/publication-guard.ts';
import type { Planning } from '../../pipeline/open/planning.ts';
import type { VerifyReport } from '../verify/run-verify.ts';
import { verifyPipeline } from '../verify/verify-pipeline.ts';
import { catchUp } from '../verify/catch-up.ts';
import { Follower } from './follower.ts';
import type { CutoverOptions } from './options.ts';
import { type CutoverRecord, writeRecord } from './record.ts';
import { carrySequences } from './sequences.ts';
import { differingTables } from '../verify/differing.ts';
import { coveredFinal, unrefreshed } from './covered.ts';
import { cutoverError } from './errors.ts';
import { copyUnlogged, unloggedTables } from './unlogged.ts';
import { WriteStop } from './write-stop.ts';
import type { Uncovered } from '../coverage/uncovered.ts';
import type { Followed } from '../verify/stream-options.ts';
import { WayBack } from './way-back.ts';
import { afterStop } from '../../pipeline/open/capability.ts';

export interface Switch {
  readonly options: CutoverOptions;
  /** As this process follows it. */
  readonly pipeline: Followed;
  /** The context of this process, which holds the lock; its state is what was recorded so far. */
  readonly context: RunContext;
  readonly planning: Planning;
  /** The record that an earlier, killed cutover left. */
  readonly before: CutoverRecord | null;
}

export interface Switched {
  /** Null: nothing was decided. */
  readonly record: CutoverRecord | null;
  readonly verify: VerifyReport | null;
  readonly blocked: readonly Uncovered[];
  readonly accepted: readonly Uncovered[];
  readonly writeStopped: number | null;
}

/**
 * From a pipeline that this process follows to GO. Everything that takes time is done before the writers stop. Until GO
 * is recorded nothing is decided: after any failure the steps are undone, and the pipeline can run again.
 */
export async function switchOver(of: Switch): Promise<Switched> {
  const { options, context, pipeline } = of;
  const fence = of.before?.fence ?? null;
  const gate = new WriteStop(of, { fence, wayBack: options.wayBack, goAt: null, accepted: [...options.accept] });
  await using open = new AsyncDisposableStack();
  await using undo = new AsyncDisposableStack();
  undo.defer(() => takeDown(of, gate.record));
  await writeRecord(context.state, gate.record);
  const back = options.wayBack === null ? null : await openBack(of, options.wayBack, { open, undo });
  failpoint('cutover-way-back');
  let follower = await follow(of, undo);
  await follower.barrier();
  options.say('following in this process, every sink is durable up to now');
  failpoint('cutover-ready');
  await gate.begin(back?.name ?? null);
  const unlogged = unloggedTables(of.planning);
  for (let copied = unlogged.length === 0; ; ) {
    const quiet = await gate.wait(follower);
    if (!copied) {
      await follower.end();
      await copyUnlogged(of.pipeline, unlogged, options.say);
      follower = await follow(of, undo);
      copied = true;
      continue;
    }
    failpoint('cutover-quiet');
    const views = await carryOver(of);
    failpoint('cutover-sequences');
    const goAt = await follower.barrier();
    await follower.end();
    const final = await verifyStill(of, unlogged);
    if (follower.changes + (final?.late ?? 0) === quiet.changes && (await gate.holds())) {
      const covered = await coveredFinal(of, [...differingTables(final?.report.tables ?? []), ...views]);
      if (covered.blocked.length > 0)
        return { record: null, verify: final?.report ?? null, ...covered, writeStopped: null };
      failpoint('cutover-durable');
      if (back !== null) await back.make();
      failpoint('cutover-slot-back');
      // A changed publication kept writes from the target, even if both databases look equal.
      await checkPublication(context, pipeline.config.ddl === 'follow');
      const record = { ...gate.record, goAt };
      await writeRecord(context.state, record);
      await context.state.setHead({ ...context.state.head!, phase: 'cutover' });
      undo.move();
      const writeStopped = (performance.now() - quiet.since) / 1000;
      return { record, verify: final?.report ?? null, ...covered, writeStopped };
    }
    if (gate.isUp) throw cutoverError('PGS7042', 'a change came in spite of the fence');
    options.say('changes came again; waiting for the writers to stop');
    follower = await follow(of, undo);
  }
}

async function follow({ pipeline }: Switch, undo: AsyncDisposableStack): Promise<Follower> {
  const follower = await Follower.start(pipeline);
  undo.defer(() => follower.end().catch(() => {}));
  return follower;
}

async function openBack(
  { options, planning }: Switch,
  file: string,
  stacks: { readonly open: AsyncDisposableStack; readonly undo: AsyncDisposableStack },
): Promise<WayBack> {
  const { pipeline, openBack: open } = options;
  const back = stacks.open.use(await WayBack.prepare({ pipeline, planning, file, open, steps: options.steps }));
  stacks.undo.defer(() => back.remove().catch(() => {}));
  options.say(`the way back is planned: pipeline ${back.name} in ${file}`);
  return back;
}

/**
 * Carries over what the stream does not bring. What still differs from the source is on the final list; returns the
 * views that a refresh left unchanged.
 */
async function carryOver(of: Switch): Promise<readonly Uncovered[]> {
  const { options, context, planning } = of;
  await carrySequences(context, planning, options.say);
  return unrefreshed(of, 'all');
}

/**
 * Compares what can only be compared after the writers have stopped: with `final` everything, else the tables that were
 * copied again. As this takes time, changes that arrived meanwhile are read again, up to the source's last position.
 */
async function verifyStill(
  of: Switch,
  unlogged: readonly string[],
): Promise<{ readonly report: VerifyReport; readonly late: number } | null> {
  const { options, pipeline, context, planning } = of;
  const all = options.verify === 'final';
  if (!all && (options.verify === 'none' || unlogged.length === 0)) return null;
  const report = await verifyPipeline({ pipeline, locked: true, only: all ? null : unlogged }, planning);
  options.say(
    `compared ${report.tables.length} tables in ${report.seconds.toFixed(1)} s while the writers stand still`,
  );
  const late = await catchUp(pipeline, (await context.source.open(context.stop)).end);
  context.stop.throwIfAborted();
  return { report, late };
}

/** Takes down everything that was set up, and records that no cutover is under way. */
async function takeDown({ options, context }: Switch, record: CutoverRecord): Promise<void> {
  const { log, source, state } = context;
  try {
    if (record.fence !== null) {
      for (const words of (await source.fence?.down(record.fence, afterStop())) ?? []) options.say(`undone: ${words}`);
    }
    await writeRecord(state, null);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    log.log('error', 'undo-failed', `the write fence may still be up (${message}); run: pgsluice cutover FILE --abort`);
  }
}
