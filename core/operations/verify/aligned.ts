import { randomUUID } from 'node:crypto';
import type { CheckpointStore } from '../../api/checkpoint.ts';
import type { HandoffLsn } from '../../postgres/lsn.ts';
import type { SnapshotSession } from '../../api/snapshot.ts';
import { catchUp } from './catch-up.ts';
import { pause } from '../../base/backoff.ts';
import type { Chain } from '../../pipeline/open/chain.ts';
import type { RunContext } from '../../pipeline/open/instances.ts';
import type { Followed } from './stream-options.ts';
import { encodeControl } from '../../pipeline/control/control-message.ts';
import { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import { verifyError } from './errors.ts';
import { afterStop, needed } from '../../pipeline/open/capability.ts';

/** A view of the source, and what lets the sinks go on once they have been opened at the same position. */
export interface Aligned extends AsyncDisposable {
  /** Name of the source's exported snapshot; undefined: the source is read as it is now. */
  readonly snapshot: string | undefined;
  /** Position of the source that both sides are seen at; null: the source is read as it is now. */
  readonly at: bigint | null;
  /**
   * The targets' snapshots are open: a run in another process may go on. Throws PGS7003 where it went on before, so that
   * what was opened is not of one position.
   */
  release(): Promise<void>;
}

function handoffOf(context: RunContext): HandoffLsn {
  const { head } = context.state;
  if (head === null || head.handoff === null || head.phase === 'starting' || head.phase === 'snapshot') {
    throw verifyError('PGS7004', 'the tables of this pipeline are not all copied yet');
  }
  if (context.state.get('resync') !== null) throw verifyError('PGS7004', 'tables of a resync are not copied yet');
  return head.handoff;
}

/**
 * No run under way (the caller holds the lock): a temporary slot gives a view of the source with an exact position, and
 * the stream is followed up to there in this process. Writers need not stop.
 */
export async function alignHere(of: Followed): Promise<Aligned> {
  const { context } = of;
  const session = await openSource(context, handoffOf(context));
  try {
    await catchUp(of, session.exactAt);
    await of.chain?.settle(chainPatience);
    context.stop.throwIfAborted();
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
  return {
    snapshot: session.name,
    at: session.exactAt,
    release: async () => {},
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** Milliseconds that appliers of a journal may take where nobody writes to it meanwhile. */
const chainPatience = 600_000;

function openSource({ source, stop }: RunContext, handoff: HandoffLsn): Promise<SnapshotSession> {
  return needed(source, 'snapshot', 'verification').open({ kind: 'again', handoff, readers: 0 }, stop);
}

/** After the cutover there is no slot to align by: both sides are read as they are, so the writers must have moved. */
export function alignNow(): Aligned {
  return { snapshot: undefined, at: null, release: async () => {}, [Symbol.asyncDispose]: async () => {} };
}

/** Milliseconds that a run has to report that its sinks stand still; a bit less than it holds them. */
const holdPatience = 25_000;

/** What a run says of the messages that it met, to whoever wrote them. */
export interface RunReports {
  /** Everything before this barrier is durable. */
  come(id: string): Promise<boolean>;
  /** The sinks stand still for this hold. */
  held(id: string): Promise<boolean>;
  /** Milliseconds between two looks. */
  readonly every: number;
}

/** As a run in another process leaves them in the checkpoint. */
export function reportsIn(store: CheckpointStore): RunReports {
  const is = async (key: 'barrier' | 'held', id: string) => (await PipelineState.load(store)).get(key)?.id === id;
  return { come: (id) => is('barrier', id), held: (id) => is('held', id), every: 100 };
}

/**
 * A run under way: once it is close behind, it is asked, through the source's WAL, to apply nothing that commits
 * later than a position that it will be told; then the view is taken, its position is sent, and the run reports when its
 * sinks stand there. `patience`: milliseconds that it may take to come close; `prefix`: of the ids of the messages.
 */
export async function alignThere(
  context: RunContext,
  reports: RunReports,
  { patience, prefix = '', behind }: { readonly patience: number; readonly prefix?: string; readonly behind?: Chain },
): Promise<Aligned> {
  const handoff = handoffOf(context);
  const id = `${prefix}${randomUUID()}`;
  const control = needed(context.source, 'control', 'verification beside a run');
  const emit = (message: Parameters<typeof encodeControl>[1], signal = context.stop) =>
    control.emit(encodeControl(context.pipeline, message), signal);
  const come: Wait = { context, every: reports.every, is: () => reports.come(id), patience };
  await emit({ kind: 'barrier', id, after: 'go-on' });
  await reported(come, 'did not come as far as now');
  await behind?.settle(patience);
  await emit({ kind: 'hold', id });
  const hold: Wait = { context, every: reports.every, is: () => reports.held(id), patience: holdPatience };
  let session: SnapshotSession | null = null;
  try {
    session = await openInTime(context, handoff);
    await emit({ kind: 'hold-at', id, at: session.exactAt });
    await reported(hold, 'did not report that its sinks stand still');
    // Nothing is written behind what was asked for: where the journal ends, the targets stand at that position.
    await behind?.settle(holdPatience);
  } catch (error) {
    await emit({ kind: 'release', id }, afterStop()).catch(() => {});
    await session?.[Symbol.asyncDispose]();
    throw error;
  }
  const view = session;
  return {
    snapshot: view.name,
    at: view.exactAt,
    release: async () => {
      const still = await hold.is();
      await emit({ kind: 'release', id }, afterStop());
      if (!still) throw verifyError('PGS7003', 'the run went on before the views of the targets were open');
    },
    [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
  };
}

/** The sinks stand still meanwhile, and not for long: a transaction that is open on the source keeps a snapshot from being taken. */
async function openInTime(context: RunContext, handoff: HandoffLsn): Promise<SnapshotSession> {
  const late = AbortSignal.timeout(holdPatience);
  try {
    return await openSource({ ...context, stop: AbortSignal.any([context.stop, late]) }, handoff);
  } catch (error) {
    if (context.stop.aborted || !late.aborted) throw error;
    throw verifyError(
      'PGS7003',
      `the source gave no snapshot in ${holdPatience / 1000} s: a transaction is open there`,
    );
  }
}

interface Wait {
  readonly context: RunContext;
  readonly is: () => Promise<boolean>;
  readonly every: number;
  readonly patience: number;
}

async function reported({ context, is, every, patience }: Wait, otherwise: string): Promise<void> {
  const deadline = Date.now() + patience;
  while (!(await is())) {
    if (Date.now() > deadline) throw verifyError('PGS7003', `the run ${otherwise} in ${patience / 1000} s`);
    await pause(every, context.stop);
  }
}
