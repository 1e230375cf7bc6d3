import { randomUUID } from 'node:crypto';
import type { CheckpointStore } from '../../api/checkpoint.ts';
import type { HandoffLsn } from '../../postgres/lsn.ts';
import type { SnapshotSession } from '../../api/snapshot.ts';
import { catchUp } from './catch-up.ts';
import { pause } from '../../base/backoff.ts';
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

function openSource({ source, stop }: RunContext, handoff: HandoffLsn): Promise<SnapshotSession> {
  return needed(source, 'snapshot', 'verification').open({ kind: 'again', handoff }, stop);
}

/** After the cutover there is no slot to align by: both sides are read as they are, so the writers must have moved. */
export function alignNow(): Aligned {
  return { snapshot: undefined, at: null, release: async () => {}, [Symbol.asyncDispose]: async () => {} };
}

/** Milliseconds that a run in another process has to report that its sinks stand still; a bit less than it holds them. */
const holdPatience = 25_000;

/**
 * A run in another process: once it is close behind, it is asked, through the source's WAL, to apply nothing that commits
 * later than a position that it will be told; then the view is taken, its position is sent, and the run reports when its
 * sinks stand there. `patience`: milliseconds that it may take to come close.
 */
export async function alignThere(context: RunContext, store: CheckpointStore, patience: number): Promise<Aligned> {
  const handoff = handoffOf(context);
  const id = randomUUID();
  const control = needed(context.source, 'control', 'verification beside a run');
  const emit = (message: Parameters<typeof encodeControl>[1], signal = context.stop) =>
    control.emit(encodeControl(context.pipeline, message), signal);
  const come: Wait = { context, store, key: 'barrier', id, patience };
  await emit({ kind: 'barrier', id, after: 'go-on' });
  await reported(come, 'did not come as far as now');
  await emit({ kind: 'hold', id });
  const hold: Wait = { context, store, key: 'held', id, patience: holdPatience };
  let session: SnapshotSession | null = null;
  try {
    session = await openSource(context, handoff);
    await emit({ kind: 'hold-at', id, at: session.exactAt });
    await reported(hold, 'did not report that its sinks stand still');
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
      const still = await isReported(hold);
      await emit({ kind: 'release', id }, afterStop());
      if (!still) throw verifyError('PGS7003', 'the run went on before the views of the targets were open');
    },
    [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
  };
}

interface Wait {
  readonly context: RunContext;
  readonly store: CheckpointStore;
  readonly key: 'barrier' | 'held';
  readonly id: string;
  readonly patience: number;
}

async function reported(wait: Wait, otherwise: string): Promise<void> {
  const deadline = Date.now() + wait.patience;
  while (!(await isReported(wait))) {
    if (Date.now() > deadline) {
      throw verifyError('PGS7003', `the run in the other process ${otherwise} in ${wait.patience / 1000} s`);
    }
    await pause(100, wait.context.stop);
  }
}

async function isReported({ store, key, id }: Wait): Promise<boolean> {
  return (await PipelineState.load(store)).get(key)?.id === id;
}
