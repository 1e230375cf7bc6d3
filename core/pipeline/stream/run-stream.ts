import type { StreamBatch } from '../../api/change.ts';
import { PgsluiceError } from '../../base/error.ts';
import { type CommitLsn, formatLsn, type HandoffLsn } from '../../postgres/lsn.ts';
import type { ChangeMapper } from '../../api/plan.ts';
import type { SourceIdentity, StreamStart } from '../../api/source.ts';
import { AckLedger } from './ack-ledger.ts';
import { pause, retryDelay } from '../../base/backoff.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import { type Barrier, Barriers, follow, type FollowEnd, Hold } from './follow.ts';
import { containedIn } from '../ddl/contained.ts';
import { SinkQueue } from './sink-queue.ts';
import { mergeBytesOf, Skip } from './batches.ts';
import { goOnWherePromoted } from '../open/promoted.ts';
import { checkPublication } from '../open/publication-guard.ts';
import { RetrySink } from './retry-sink.ts';
import { Places } from './places.ts';
import { findPositions, noteIdle, type Positions } from './positions.ts';
import { takesBytes } from './takes-bytes.ts';

export interface StreamRunOptions {
  readonly sinks: readonly PlannedSink[];
  /** Called for each connection, for a sink at a position. */
  readonly mapperAt: (sink: PlannedSink, position: CommitLsn) => ChangeMapper;
  /** Awaited for every batch before a sink gets it; may return another batch in its place. */
  readonly beforeBatch?: (batch: StreamBatch) => Promise<StreamBatch | void>;
  /** Aborted with the error that ends the run. */
  readonly fatal?: AbortSignal;
  readonly identity: SourceIdentity;
  readonly handoff: HandoffLsn;
  /** End after the last transaction at or below; null: follow. */
  readonly until: bigint | null;
  /** The stream is open, at the start and after each failure. */
  readonly onConnected?: () => void;
  /**
   * Every sink is durable up to this barrier; for a barrier that this process wrote. True: no other process waits for
   * it.
   */
  readonly onBarrier?: (id: string, at: CommitLsn) => boolean | void;
  /**
   * A restart was requested, with these tables copied again; resolves when that is noted. Without this callback the
   * request is ignored.
   */
  readonly onReload?: (copy: readonly string[]) => Promise<void>;
}

/** Consecutive tries without progress before the run gives up. */
const tries = 12;
/** How long a failing sink may hold up the others before the run gives up, in milliseconds. */
const patienceMs = 150_000;
const flushAfter = 100;
const noteEvery = 1000;
const holdLimits = { bytes: 64 * 1024 * 1024, ms: 30_000 };

/**
 * The change plane: connects, follows, and after a transient failure connects again from what the sinks have. The path
 * after a broken connection is the path after a crash, so that there is only one.
 */
export async function runStream(context: RunContext, options: StreamRunOptions): Promise<FollowEnd> {
  const barriers = new Barriers(context.pipeline);
  let failures = 0;
  let connectedOnce = false;
  let binary = takesBytes(options.sinks);
  for (;;) {
    const before = context.run.confirmed;
    try {
      return await followOnce(context, { ...options, binary }, barriers, () => (connectedOnce = true));
    } catch (error) {
      if (error instanceof PgsluiceError && error.retry === 'text' && binary) {
        binary = false;
        const { table } = error.where;
        context.log.log('info', 'stream-as-text', error.message, table === undefined ? {} : { table });
        continue;
      }
      if (!(error instanceof PgsluiceError) || error.retry !== 'backoff' || !connectedOnce) throw error;
      failures = context.run.confirmed === before ? failures + 1 : 1;
      if (failures >= tries) throw error;
      const wait = retryDelay(failures);
      context.view.retrying = error.code;
      context.view.streamRetries++;
      context.log.log('warn', 'stream-retry', error.message, { code: error.code, attempt: failures, waitMs: wait });
      await pause(wait, context.stop).catch(() => {});
      // The failure shows again at the next run, as after a crash.
      if (context.stop.aborted) return 'stopped';
    }
  }
}

/** Whether a sink's position requires that keys of rows come as text, to decide what its copy contains of a change. */
function readsKeys(
  context: RunContext,
  sinks: StreamRunOptions['sinks'],
  positions: ReadonlyMap<string, bigint>,
): boolean {
  return sinks.some((sink) => containedIn(context, sink).readsKeysUpTo > positions.get(sink.name)!);
}

/** One connection, from opening to end. */
async function followOnce(
  context: RunContext,
  options: StreamRunOptions & { readonly binary: boolean },
  barriers: Barriers,
  onConnected: () => void,
): Promise<FollowEnd> {
  const failure = new AbortController();
  const { fatal } = options;
  fatal?.throwIfAborted();
  const end = () => failure.abort(fatal?.reason);
  fatal?.addEventListener('abort', end, { once: true });
  const find = () => findPositions(options.sinks, context.state, options.handoff, failure.signal);
  await goOnWherePromoted(context, async () => (await find()).bySink.values());
  await checkPublication(context, true);
  const positions = await find();
  const { from, acknowledged } = positions;
  const places = new Places(context.state);
  const stream = await context.source.stream(
    {
      from,
      acknowledged,
      identity: context.state.head?.identity ?? options.identity,
      until: options.until,
      binary: options.binary && !readsKeys(context, options.sinks, positions.bySink),
      ...places.at(from),
      ...claimOf(context, options.sinks),
    },
    failure.signal,
  );
  onConnected();
  options.onConnected?.();
  // A hold ends with its process or its connection: a requester must not take the old report for a new one.
  if (context.state.get('held') !== null) await context.state.put('held', null);
  context.view.opened(from);
  context.log.log('info', 'stream-started', `following from ${formatLsn(from)}`, { from: formatLsn(from) });
  const ledger = new AckLedger(positions.bySink, from);
  const queues = options.sinks.map((sink) => makeQueue(context, options, { sink, positions, ledger, failure }));
  try {
    return await follow({
      stream,
      queues,
      ledger,
      barriers,
      hold: new Hold(context.pipeline, holdLimits),
      stop: context.stop,
      failure: failure.signal,
      beforeConfirm: async (upTo) => {
        await savePositions(context, options.sinks, ledger);
        context.run.confirmed = upTo;
        places.reached(upTo);
      },
      beforeConfirmIdle: async (at) => {
        await savePositions(context, options.sinks, ledger);
        await noteIdle(context.state, at, ledger.bySink());
        context.run.confirmed = at;
        context.view.sawSource(at);
      },
      onHeld: async (id, at) => {
        context.log.log('info', 'held', `sinks stand at ${formatLsn(at)}`, { hold: id, lsn: formatLsn(at) });
        await context.state.put('held', { id, lsn: at });
      },
      onReleased: () => context.state.put('held', null),
      onBarrier: async (message, at) => {
        if (message.after === 'reload') {
          if (options.onReload === undefined) return;
          await options.onReload(message.copy);
        }
        if (options.onBarrier?.(message.id, at) !== true) await recordBarrier(context, message, at);
      },
      notePlace: (batch) => places.note(batch),
      beforeBatch: options.beforeBatch ?? null,
      view: context.view,
    });
  } finally {
    fatal?.removeEventListener('abort', end);
    // Writes in flight must have ended before the sinks are asked for their positions again.
    await stream[Symbol.asyncDispose]();
    await Promise.all(queues.map((queue) => queue.end()));
  }
}

/** The one sink of a shared source reports how far each log is read. */
function claimOf({ source }: RunContext, [one]: readonly PlannedSink[]): Pick<StreamStart, 'claim'> {
  const claim = source.shared === true ? one?.sink.stream.claim : undefined;
  return claim === undefined ? {} : { claim: (logs, signal) => claim.call(one?.sink.stream, logs, signal) };
}

interface QueueParts {
  readonly sink: PlannedSink;
  readonly positions: Positions;
  readonly ledger: AckLedger;
  readonly failure: AbortController;
}

function makeQueue(context: RunContext, options: StreamRunOptions, parts: QueueParts): SinkQueue {
  const { sink, positions, ledger, failure } = parts;
  const position = positions.bySink.get(sink.name)!;
  const contained = containedIn(context, sink);
  const view = context.view.sink(sink.name);
  context.run.setDurable(sink.name, position);
  const room = sink.buffer / 2;
  const { stream } = sink.sink;
  // A single sink recovers as after a crash, which keeps nothing; of several, one may fail while the others go on.
  const alone = options.sinks.length === 1;
  const note = alone || sink.traits.keepsPosition === true ? null : noteNowAndThen(context, sink.name);
  const queue: SinkQueue = new SinkQueue({
    name: sink.name,
    sink: alone
      ? stream
      : new RetrySink({
          sink: stream,
          position,
          keepBytes: room,
          patienceMs,
          blocking: () => queue.full,
          stop: context.stop,
          view,
          log: context.log,
        }),
    mapper: options.mapperAt(sink, position),
    skip: new Skip(position, contained),
    position,
    mergeBytes: mergeBytesOf(room, alone),
    room,
    flushAfter,
    view,
    onDurable: (upTo) => {
      context.run.setDurable(sink.name, upTo);
      ledger.durable(sink.name, upTo);
      note?.(upTo);
    },
    onFailure: (error) => failure.abort(error),
    signal: failure.signal,
  });
  return queue;
}

/**
 * While another sink delays confirmation, the checkpoint must be updated with the position of a sink that keeps none
 * itself.
 */
function noteNowAndThen(context: RunContext, sink: string): (upTo: CommitLsn) => void {
  let last = Date.now();
  return (upTo) => {
    if (Date.now() - last < noteEvery) return;
    last = Date.now();
    // The failure shows again where it matters: before a position is confirmed.
    context.state.setPosition(sink, upTo).catch(() => {});
  };
}

/** I1: positions of sinks that keep none are in the checkpoint before the source is told. */
async function savePositions(context: RunContext, sinks: readonly PlannedSink[], ledger: AckLedger): Promise<void> {
  const durable = ledger.bySink();
  const saves: Promise<void>[] = [];
  for (const { name, traits } of sinks) {
    const at = durable.get(name) as CommitLsn;
    if (traits.keepsPosition !== true && context.state.position(name) !== at)
      saves.push(context.state.setPosition(name, at));
  }
  await Promise.all(saves);
}

async function recordBarrier(context: RunContext, message: Barrier, at: CommitLsn): Promise<void> {
  const { id } = message;
  context.log.log('info', 'barrier', `everything up to barrier ${id} is durable`, { barrier: id, lsn: formatLsn(at) });
  await context.state.put('barrier', { id, lsn: at, at: Date.now() });
}
