import { formatLsn, type HandoffLsn, parseLsn } from '../../postgres/lsn.ts';
import { derived, PgsluiceError } from '../../base/error.ts';
import { relationName } from '../../postgres/relation.ts';
import type { StreamBatch } from '../../api/change.ts';
import type { SourceCatalog, SourceIdentity } from '../../api/source.ts';
import { checkIdentity, goOnWherePromoted, ownPositions } from '../../pipeline/open/promoted.ts';
import type { TablePresence } from '../../api/source-database.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import type { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import { runtimeError } from '../../pipeline/errors.ts';
import { isFingerprintOf } from '../../pipeline/open/fingerprint.ts';
import type { Instances, PlannedSink, RunContext } from '../../pipeline/open/instances.ts';
import { knownTables, pendingTables, requestCopy } from '../../pipeline/state/known-tables.ts';
import { catalogNow, shapesUnderWay, tablesBegun } from '../../pipeline/ddl/known-shapes.ts';
import { Shapes } from '../../pipeline/ddl/shapes.ts';
import { forgottenShapes } from '../../pipeline/ddl/shape-history.ts';
import { leaveTrees, placeTables } from '../../pipeline/ddl/place-tables.ts';
import { copyAnew, takeAlong } from '../../pipeline/ddl/take-along.ts';
import { TableWatch } from '../../pipeline/ddl/table-watch.ts';
import { tellDdl } from '../../pipeline/ddl/tell-ddl.ts';
import { type Planning, partOf, planSinks } from '../../pipeline/open/planning.ts';
import { copyPending } from '../resync/resync.ts';
import { applyUpTo } from './apply-up-to.ts';
import { copiesUnknown, copyUnknown } from './unknown-values.ts';
import { withPublicationGuard } from '../../pipeline/open/publication-guard.ts';
import { canCopyBeside, dropSide, SideCopy } from '../resync/side-copy.ts';
import { SignalFollower } from '../resync/follow-signals.ts';
import { Reread } from '../resync/reread.ts';
import { type Copied, firstStart, snapshotPhase, startOver } from '../../pipeline/snapshot/phase.ts';
import type { FollowEnd } from '../../pipeline/stream/follow.ts';
import { endWork } from '../../pipeline/snapshot/lending.ts';
import { findPositions } from '../../pipeline/stream/positions.ts';
import { runStream } from '../../pipeline/stream/run-stream.ts';

/** Work beside the stream that lasts as long as one round of the stream. */
export interface Companion extends AsyncDisposable {
  /** Called with each batch of the stream before the sinks get it. */
  see(batch: StreamBatch): void;
  /** True: the barrier belongs to this companion. */
  reached(id: string): boolean;
}

export interface RunOptions {
  readonly config: PipelineConfig;
  readonly instances: Instances;
  /** `--stop-at`, or null. */
  readonly stopAt: bigint | 'now' | null;
  /** The catalog as read at a first start; the snapshot sees what was created since. */
  readonly catalog?: SourceCatalog | null;
  /** Absent: none. Not started if the run has an end. */
  readonly companion?: (context: RunContext) => Companion;
}

/** `copied`: `initial_only` is complete; `reload`: a restart was requested; the others as in {@link FollowEnd}. */
export type RunEnd = FollowEnd | 'copied' | 'reload';

/**
 * The run, from whatever phase the checkpoint holds: objects on the source, snapshot, stream. The caller holds the
 * checkpoint's lock. Every phase ends in a durable state before the next begins.
 */
export async function runPipeline(context: RunContext, options: RunOptions): Promise<RunEnd> {
  const { state } = context;
  const { config } = options;
  const catalog = options.catalog ?? (await catalogNow(context));
  checkIdentity(state.head, catalog.identity);
  checkFile(state, config);
  if (state.head?.phase === 'done' && config.snapshot.mode === 'initial_only') return copiedBefore(context);
  if (state.head?.phase === 'done') throw runtimeError('PGS6004', 'this pipeline was cut over: its slot is dropped');
  if (state.head?.phase === 'cutover') throw runtimeError('PGS6015', 'a cutover of this pipeline has been decided');
  if (state.head?.phase === 'starting') await startOver(context);
  else await goOnWherePromoted(context, () => ownPositions(options.instances.sinks, context.stop));
  const streaming = config.snapshot.mode !== 'initial_only';
  if (!streaming) return phases(context, options, catalog);
  const added = config.ddl === 'follow';
  return withPublicationGuard(context, { added }, (guarded) => phases(guarded, options, catalog));
}

async function phases(context: RunContext, options: RunOptions, catalog: SourceCatalog): Promise<RunEnd> {
  const { state } = context;
  const { config } = options;
  const streaming = config.snapshot.mode !== 'initial_only';
  const known = tablesBegun(state, knownTables(state, catalog));
  const copied = state.head?.phase !== 'stream';
  if (copied) {
    const planning = await planSinks(options.instances.sinks, known, streaming, context.stop);
    const { instances } = options;
    const between = (part: Copied): Promise<void> => applyUpTo(context, { config, instances }, part);
    const input = { config, instances, catalog: known, planning, applyUpTo: between };
    if (state.head?.phase === 'snapshot') await snapshotPhase(context, input);
    else await firstStart(context, input);
  }
  if (!streaming) return 'copied';
  // Tables may have been created while others were copied.
  return streamPhase(context, options, copied ? await catalogNow(context) : catalog);
}

function copiedBefore(context: RunContext): RunEnd {
  context.log.log('info', 'copied-before', 'this copy was completed by an earlier run; nothing is done');
  return 'copied';
}

/** If the server was promoted since the last look, that is the reason to report. */
async function slotIsGone(context: RunContext, { sinks }: Instances): Promise<never> {
  await goOnWherePromoted(context, () => ownPositions(sinks, context.stop));
  throw runtimeError('PGS6004', 'the replication slot of this pipeline does not exist on the source', {
    remedy:
      '`pgsluice resync FILE --verify-first` makes a new slot and copies again what differs; or run `pgsluice cleanup`, empty the target and start over.',
  });
}

/**
 * Follows until the end; each round has one set of tables. Tables that are new on the source are added at the start of
 * a round, those that were copied beside it join at its end, and those whose place in a tree changed are moved while
 * nothing is in flight.
 */
async function streamPhase(context: RunContext, options: RunOptions, first: SourceCatalog): Promise<RunEnd> {
  const { state, run, source } = context;
  const { config, instances } = options;
  const { identity, handoff } = state.head!;
  if (handoff === null) throw runtimeError('PGS6002', 'the checkpoint has no consistent point of a slot');
  if (source.control !== undefined && (await source.control.slot.status(context.stop)) === null)
    await slotIsGone(context, instances);
  const seen = (await source.ddl?.tables(context.stop)) ?? [];
  // Under `ddl: follow` the source publishes a new table before its first row, and its message is in the stream.
  let announced = new Set(
    config.ddl === 'follow' ? seen.filter(({ published }) => published).map(({ oid }) => oid) : [],
  );
  // A run that was killed at the end of its copy did not say so.
  if (pendingTables(state).size === 0) await endWork(instances.sinks, context.stop);
  const placing = new Placing(context);
  let reread: Reread | null = null;
  let until: bigint | null | undefined;
  for (let catalog = first; ; catalog = await catalogNow(context)) {
    const known = await takeAlong(context, instances.sinks, catalog, announced);
    const input = { config, instances, catalog: known };
    // A run up to a requested position includes all tables: none may still be copying then.
    const beside = options.stopAt === null && canCopyBeside(source, input);
    if (pendingTables(state).size === 0) await dropSide(context);
    else if (!beside) await copyPending(context, input);
    if (run.phase !== 'follow') run.enter('catch-up');
    // Earlier DDL is reported up to that position.
    if (until === undefined && config.ddl === 'follow') await source.ddl?.look?.(context.stop);
    until ??= await stopPosition(context, options.stopAt);
    await using copy = pendingTables(state).size > 0 ? await SideCopy.start(context, input) : null;
    const shapes = await shapesUnderWay(context, known);
    const pending = pendingTables(state);
    const tables = shapes.tables.filter(({ relation }) => !pending.has(relationName(relation)));
    const planning = await planSinks(instances.sinks, partOf(shapes, tables), true, context.stop);
    if (planning.sinks.some(({ traits }) => traits.rereads === true)) reread ??= new Reread(context);
    // Under `ddl: follow` the stream reports where tables leave.
    if (catalog === first && config.ddl !== 'follow') await leaveTrees(context, planning.sinks, seen);
    const round = { planning, until, copy, reread, identity, handoff };
    const end = await followRound(context, options, round).catch((error: unknown) =>
      copyUnknown(context, config, planning.sinks, error),
    );
    if (end === undefined) continue;
    if (end === 'join') {
      const { bySink } = await findPositions(planning.sinks, state, handoff, context.stop);
      await copy!.join([...bySink.values()].reduce((most: bigint, at) => (at > most ? at : most), 0n));
    } else if (typeof end === 'object') {
      await placing.place(planning.sinks, end.seen);
      // Everything that the stream reported about these tables lies before this point.
      announced = new Set();
    } else {
      if (end === 'ended') await placeTables(context, planning.sinks, seen);
      return end;
    }
  }
}

/** A change after a look may prevent the placement of what the look saw; the next look sees that change, too. */
class Placing {
  readonly #context: RunContext;
  #failures = 0;

  constructor(context: RunContext) {
    this.#context = context;
  }

  async place(sinks: readonly PlannedSink[], seen: readonly TablePresence[]): Promise<void> {
    try {
      await placeTables(this.#context, sinks, seen);
      this.#failures = 0;
    } catch (error) {
      if (!(error instanceof PgsluiceError) || error.cause === undefined || ++this.#failures > 2) throw error;
      this.#context.log.log('info', 'placing-again', error.message, { code: error.code });
    }
  }
}

interface Round {
  readonly planning: Planning;
  readonly until: bigint | null;
  readonly copy: SideCopy | null;
  /** Null: no sink accepts rows again. */
  readonly reread: Reread | null;
  readonly identity: SourceIdentity;
  readonly handoff: HandoffLsn;
}

/**
 * `join`: the stream ended after the current transaction, for the tables that were copied beside it; `seen`: it ended
 * for tables whose place on the source differs from that in the targets, which are durable beyond the look.
 */
async function followRound(
  context: RunContext,
  options: RunOptions,
  round: Round,
): Promise<RunEnd | 'join' | { readonly seen: readonly TablePresence[] }> {
  const { state, run } = context;
  const { planning, copy, reread } = round;
  const follow = options.config.ddl === 'follow';
  if (follow) await tellDdl(context);
  const copies = copiesUnknown(options.config, planning.sinks);
  const shapes = await Shapes.open(context, planning, { follow, copies });
  const trees = copy === null && options.stopAt === null;
  const { sinks } = planning;
  await using watch = new TableWatch({ context, sinks, history: shapes.history, follow, trees, every: 3000 });
  const joins = new AbortController();
  const failed = new AbortController();
  copy?.ready.then(
    () => joins.abort(),
    (error: unknown) => failed.abort(final(error)),
  );
  reread?.begin(sinks);
  await using _signals = reread === null ? null : new SignalFollower(context, sinks);
  await using companion = options.stopAt === null ? (options.companion?.(context) ?? null) : null;
  const beforeBatch = async (batch: StreamBatch) => {
    if (follow) await shapes.see(batch);
    companion?.see(batch);
    return reread?.see(batch);
  };
  let reload = false;
  const end = await runStream(
    { ...context, stop: AbortSignal.any([context.stop, joins.signal, watch.due]) },
    {
      sinks,
      mapperAt: (sink, position) => shapes.mapper(sink, position),
      ...(follow || reread !== null || companion !== null ? { beforeBatch } : {}),
      fatal: AbortSignal.any([watch.fatal, failed.signal]),
      identity: round.identity,
      handoff: round.handoff,
      until: round.until,
      onConnected: () => reread?.resume(),
      onBarrier: (id) => reread?.reached(id) === true || companion?.reached(id) === true || watch.reached(id),
      onReload: async (tables) => {
        const names = options.instances.sinks.map(({ name }) => name);
        if (tables.length > 0) await requestCopy(state, tables, names, ...forgottenShapes(state, tables), copyAnew);
        reload = true;
      },
    },
  );
  if (end === 'stopped' && !context.stop.aborted) {
    if (joins.signal.aborted) return 'join';
    if (watch.due.aborted) return { seen: watch.seen };
  }
  run.enter('stopping');
  if (end === 'ended') await watch.look(true);
  return end === 'barrier' && reload ? 'reload' : end;
}

/** The side copy already retried; do not retry it here. */
function final(error: unknown): unknown {
  if (!(error instanceof PgsluiceError) || error.retry === 'never') return error;
  return derived(error, { retry: 'never' });
}

async function stopPosition(context: RunContext, stopAt: RunOptions['stopAt']): Promise<bigint | null> {
  if (stopAt === null) return null;
  const until = stopAt === 'now' ? (await context.source.open(context.stop)).end : stopAt;
  context.log.log('info', 'stop-position', `will stop at ${formatLsn(until)}`, { lsn: formatLsn(until) });
  return until;
}

/** The text of `--stop-at`. Throws PGS6005. */
export function readStop(text: string): bigint | 'now' {
  if (text === 'now') return 'now';
  try {
    return parseLsn(text);
  } catch (cause) {
    throw runtimeError('PGS6005', `--stop-at ${JSON.stringify(text)} is not an LSN`, { cause });
  }
}

/**
 * What is in the target was made by the transforms of the first start, and the publication filters by them: rows that a
 * wider filter would keep were never sent. So a changed chain of transforms is refused, not applied from here on.
 */
export function checkFile(state: PipelineState, config: PipelineConfig): void {
  const then = state.get('file');
  if (state.head === null || state.head.phase === 'starting' || then === null || isFingerprintOf(config, then)) return;
  throw runtimeError('PGS6014', 'transforms, or tables of a sink, were changed since the pipeline was started');
}
