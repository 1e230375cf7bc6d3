import { failpoint } from '../../base/failpoint.ts';
import type { RunContext } from '../../pipeline/open/instances.ts';
import type { Planning } from '../../pipeline/open/planning.ts';
import { verifyError } from '../verify/errors.ts';
import type { VerifyReport } from '../verify/run-verify.ts';
import { verifyPipeline } from '../verify/verify-pipeline.ts';
import { catchUp } from '../verify/catch-up.ts';
import { Follower } from './follower.ts';
import type { CutoverOptions } from './options.ts';
import { waitForQuiet } from './quiet.ts';
import { type CutoverRecord, writeRecord } from './record.ts';
import { carrySequences, sequenceLines } from './sequences.ts';
import type { Followed } from '../verify/stream-options.ts';
import { WayBack } from './way-back.ts';

export interface Switch {
  readonly options: CutoverOptions;
  /** As it is followed in this process. */
  readonly pipeline: Followed;
  /** Of this process, which holds the lock; its state is what was recorded until now. */
  readonly context: RunContext;
  readonly planning: Planning;
  /** What an earlier, killed cut-over left. */
  readonly before: CutoverRecord | null;
}

export interface Switched {
  /** Null: source and target differ, nothing was decided. */
  readonly record: CutoverRecord | null;
  readonly verify: VerifyReport | null;
  readonly writeStopped: number | null;
}

/**
 * From a pipeline that is followed in this process to the go. Everything that takes time is done before the writers stop.
 * Until the go is recorded nothing is decided: whatever fails is undone, and the pipeline can be run on.
 */
export async function switchOver(of: Switch): Promise<Switched> {
  const { options, context } = of;
  const { state } = context;
  let record: CutoverRecord = { fence: of.before?.fence ?? null, wayBack: options.wayBack };
  await using open = new AsyncDisposableStack();
  await using undo = new AsyncDisposableStack();
  undo.defer(() => takeDown(of, record));
  await writeRecord(state, record);
  const back = options.wayBack === null ? null : await openBack(of, options.wayBack, { open, undo });
  failpoint('cutover-way-back');
  let follower = await follow(of, undo);
  await follower.barrier();
  options.say('following in this process, every sink is durable up to now');
  failpoint('cutover-ready');
  record = await fence(of, record);
  const fencedAt = options.fence === 'none' ? null : performance.now();
  for (;;) {
    const quiet = await waitForQuiet(follower, bounds(of));
    failpoint('cutover-quiet');
    await sequences(of);
    failpoint('cutover-sequences');
    await follower.barrier();
    await follower.end();
    const final = options.verify === 'final' ? await verifyFinal(of) : null;
    if (final?.report.equal === false) return { record: null, verify: final.report, writeStopped: null };
    if (follower.changes + (final?.late ?? 0) === quiet.changes) {
      failpoint('cutover-durable');
      if (back !== null) await back.make();
      failpoint('cutover-slot-back');
      await state.setHead({ ...state.head!, phase: 'cutover' });
      undo.move();
      const writeStopped = (performance.now() - (fencedAt ?? quiet.since)) / 1000;
      return { record, verify: final?.report ?? null, writeStopped };
    }
    if (options.fence === 'read_only' || options.fence === 'revoke')
      throw verifyError('PGS7005', `a change came in spite of the fence: ${unbound[options.fence]}`);
    options.say('changes came again; waiting for the writers to stop');
    follower = await follow(of, undo);
  }
}

/** Whom a fence does not keep from writing. */
const unbound = {
  read_only: 'a session set itself to read-write',
  revoke: 'superusers need no privilege',
} as const;

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
  const back = stacks.open.use(await WayBack.prepare({ pipeline, planning, file, open }));
  stacks.undo.defer(() => back.remove().catch(() => {}));
  options.say(`the way back is planned: pipeline ${back.name} in ${file}`);
  return back;
}

function bounds({ options, context }: Switch): { quiet: number; patience: number; signal: AbortSignal } {
  const fenced = options.fence === 'read_only' || options.fence === 'revoke';
  return { quiet: fenced ? 0 : options.quiet, patience: options.patience, signal: context.stop };
}

/** Saved before it goes up, so that whoever comes next can take it down. */
async function fence({ options, context, planning }: Switch, record: CutoverRecord): Promise<CutoverRecord> {
  if (options.fence === 'none') {
    options.say(`ready: stop the writers now; going on when no change came for ${options.quiet} ms`);
    return record;
  }
  const { fence: control } = context.source.control;
  if (control === undefined) throw verifyError('PGS7010', 'this source has no write fence');
  const tables = planning.sinks.flatMap(({ plans }) => plans.map((plan) => plan.source));
  const plan = record.fence ?? (await control.plan(options.fence, tables));
  const saved = { ...record, fence: plan };
  await writeRecord(context.state, saved);
  failpoint('cutover-fence');
  options.say(`ready: fence ${options.fence}: ${(await control.up(plan, context.stop)).join(', ')}`);
  failpoint('cutover-fenced');
  return saved;
}

async function sequences({ options, context, planning }: Switch): Promise<void> {
  const findings = await carrySequences(context, planning, options.say);
  for (const line of sequenceLines(findings)) options.say(line);
  if (findings.length > 0) {
    const names = [...new Set(findings.map(({ sequence }) => sequence))];
    const shown = `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
    throw verifyError('PGS7001', `sequences are not as on the source: ${shown}`, {
      remedy: 'Run the statements that are shown above in the target, then cutover again.',
    });
  }
  for (const { sink, name } of planning.sinks) {
    for (const words of (await sink.cutover?.refresh(context.stop)) ?? []) options.say(`${name}: ${words}`);
  }
}

/** It takes its time: what came meanwhile is read once more, to the source's last position. */
async function verifyFinal(of: Switch): Promise<{ report: VerifyReport; late: number }> {
  const { options, pipeline, context, planning } = of;
  const report = await verifyPipeline({ pipeline, locked: true }, planning);
  options.say(
    `compared ${report.tables.length} tables in ${report.seconds.toFixed(1)} s while the writers stand still`,
  );
  const late = await catchUp(pipeline, await context.source.control.position());
  context.stop.throwIfAborted();
  return { report, late };
}

/** Whatever was put up is taken down again, and the record says that nothing is under way. */
async function takeDown({ options, context }: Switch, record: CutoverRecord): Promise<void> {
  const { log, source, state } = context;
  try {
    if (record.fence !== null) {
      for (const words of (await source.control.fence?.down(record.fence)) ?? []) options.say(`undone: ${words}`);
    }
    await writeRecord(state, null);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    log.log('error', 'undo-failed', `the write fence may still be up (${message}); run: pgsluice cutover FILE --abort`);
  }
}
