import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HandoffLsn } from '../api/lsn.ts';
import type { SnapshotSession } from '../api/snapshot.ts';
import { catchUp } from '../cutover/catch-up.ts';
import type { Instances, RunContext } from '../runtime/instances.ts';
import type { Planning } from '../runtime/planning.ts';
import { encodeControl } from '../runtime/stream/control-message.ts';
import { PipelineState } from '../state/pipeline-state.ts';
import { verifyError } from './errors.ts';

/** A view of the source, and what lets the sinks go on once they have been opened at the same position. */
export interface Aligned extends AsyncDisposable {
  /** Name of the source's exported snapshot; undefined: the source is read as it is now. */
  readonly snapshot: string | undefined;
  /** The targets' snapshots are open: a run in another process may go on. */
  release(): Promise<void>;
}

function handoffOf(context: RunContext): HandoffLsn {
  const { head } = context.state;
  if (head === null || head.handoff === null || head.phase === 'starting' || head.phase === 'snapshot') {
    throw verifyError('PGS7004', 'the tables of this pipeline are not all copied yet');
  }
  return head.handoff;
}

/**
 * No run under way (the caller holds the lock): a temporary slot gives a view of the source with an exact position, and
 * the stream is followed up to there in this process. Writers need not stop.
 */
export async function alignHere(context: RunContext, planning: Planning): Promise<Aligned> {
  const session = await context.source.snapshot({ kind: 'again', handoff: handoffOf(context) }, context.stop);
  try {
    await catchUp(context, planning, session.exactAt);
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
  return {
    snapshot: session.name,
    release: async () => {},
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** After the cut-over there is no slot to align by: both sides are read as they are, so the writers must have moved. */
export function alignNow(): Aligned {
  return { snapshot: undefined, release: async () => {}, [Symbol.asyncDispose]: async () => {} };
}

const patience = 25_000;

/**
 * A run in another process: it is asked, through the source's WAL, to apply nothing that commits later than a position
 * that it will be told; then the view is taken, its position is sent, and the run reports when its sinks stand there.
 */
export async function alignThere(context: RunContext, instances: Instances): Promise<Aligned> {
  const handoff = handoffOf(context);
  const id = randomUUID();
  const emit = (message: Parameters<typeof encodeControl>[1]) =>
    context.source.control.emit(encodeControl(context.pipeline, message));
  await emit({ kind: 'hold', id });
  let session: SnapshotSession | null = null;
  try {
    session = await context.source.snapshot({ kind: 'again', handoff }, context.stop);
    await emit({ kind: 'hold-at', id, at: session.exactAt });
    await reported(context, instances, id);
  } catch (error) {
    await emit({ kind: 'release', id }).catch(() => {});
    await session?.[Symbol.asyncDispose]();
    throw error;
  }
  const view = session;
  return {
    snapshot: view.name,
    release: async () => void (await emit({ kind: 'release', id })),
    [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
  };
}

async function reported(context: RunContext, instances: Instances, id: string): Promise<void> {
  const deadline = Date.now() + patience;
  while (Date.now() < deadline) {
    context.stop.throwIfAborted();
    const state = await PipelineState.load(instances.store);
    if (state.get(`held:${id}`) !== null) return;
    await sleep(50);
  }
  throw verifyError('PGS7003', `the run in the other process did not report within ${patience / 1000} s`);
}
