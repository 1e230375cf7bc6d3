import { derived, PgsluiceError } from '../../base/error.ts';
import { formatLsn, type HandoffLsn, type SnapshotLsn } from '../../postgres/lsn.ts';
import { relationName } from '../../postgres/relation.ts';
import type { SnapshotSession } from '../../api/snapshot.ts';
import type { SnapshotReplica } from '../../api/source-database.ts';
import { readCatalog, type SourceCatalog, type SourceTable } from '../../api/source.ts';
import type { PublishedTable } from '../../api/source-control.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import { publishedTables } from '../plan/publication.ts';
import { pause, retryable, retryDelay } from '../../base/backoff.ts';
import { ShapeHistory } from '../ddl/shape-history.ts';
import { tellDdl } from '../ddl/tell-ddl.ts';
import { fingerprint } from '../open/fingerprint.ts';
import type { Instances, RunContext } from '../open/instances.ts';
import { ensureOwner } from '../open/ownership.ts';
import { planAgain, type Planning } from '../open/planning.ts';
import { runtimeError } from '../errors.ts';
import { RateLimit } from './rate-limit.ts';
import { alterPublication, checkPublication, forgetPublication } from '../open/publication-guard.ts';
import { finishOnly, openOnly } from './only.ts';
import { changedSince, isSame, planRound, type Round, type RoundInput, tableNow } from './round.ts';
import type { CopyJob } from './copy-job.ts';
import { runSnapshot } from './run-snapshot.ts';
import { goOnWherePromoted, ownPositions } from '../open/promoted.ts';
import { afterStop, needed } from '../open/capability.ts';

/** What the phase needs beside the context. */
export interface PhaseInput {
  readonly config: PipelineConfig;
  readonly instances: Instances;
  readonly catalog: SourceCatalog;
  readonly planning: Planning;
  /** Applies the stream up to a snapshot that has ended, where the file wants that (`snapshot.stream: during`). */
  readonly applyUpTo?: (copied: Copied) => Promise<void>;
}

/** What is in the sinks when a snapshot has ended and others will follow. */
export interface Copied {
  readonly round: Round;
  /** Tables of which some ranges are in. */
  readonly begun: readonly CopyJob[];
}

/** Milliseconds; `max_age` where the stream is applied between snapshots and the file sets none. */
export const usualAge = 3_600_000;

/** Tries in a row that finish no table before the run gives up. */
const tries = 8;

/** A slot that was there before us is not ours to drop (`snapshot.mode: never` on a slot that the user made). */
const foreignSlot = 'slot-was-there' as const;

/** A first start that fails before a row was copied leaves nothing behind: no slot that keeps WAL, no publication, no state. */
export async function firstStart(context: RunContext, input: PhaseInput): Promise<void> {
  try {
    await ensureOwner(context.state);
    await snapshotPhase(context, input);
  } catch (error) {
    const copied = input.planning.sinks.some((sink) => context.state.tables(sink.name).size > 0);
    // Other processes may be at work with what a start of ours would remove.
    if (context.run.beforeCopy && !copied && context.source.shared !== true) await undo(context, input.instances);
    throw error;
  }
}

async function undo(context: RunContext, instances: Instances): Promise<void> {
  try {
    await context.state.settled().catch(() => {});
    // A look at the publication that is under way must not take the pipeline's own end of it for somebody else's.
    await forgetPublication(context).catch(() => {});
    if (context.state.get(foreignSlot) === null) await context.source.control?.cleanup(afterStop());
    for (const { sink } of instances.sinks) {
      // I10: what the preparation took away from the target is put back before it is forgotten.
      if ((await sink.snapshot.abandon?.()) !== false) await sink.cleanup?.();
    }
    await instances.store.remove();
    context.state.forget();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    context.log.log(
      'warn',
      'undo-failed',
      `could not remove what the start had made (${message}); run pgsluice cleanup`,
    );
  }
}

/** A killed first start may have left slot and publication, of which nothing was used yet. */
export async function startOver(context: RunContext): Promise<void> {
  if (context.state.get(foreignSlot) !== null) return;
  const dropped = (await context.source.control?.cleanup(context.stop)) ?? [];
  await forgetPublication(context);
  context.log.log('info', 'start-over', 'an earlier start did not get as far as a snapshot', {
    dropped: dropped.join(', '),
  });
}

/** From the objects on the source to the last index; ends in the next durable phase. */
export async function snapshotPhase(context: RunContext, input: PhaseInput): Promise<void> {
  const { state } = context;
  const { mode } = input.config.snapshot;
  const { identity, tables } = input.catalog;
  if (mode === 'initial_only' && input.config.snapshot.max_age !== undefined)
    throw runtimeError('PGS3203', 'snapshot.max_age cannot be kept with snapshot.mode: initial_only');
  const fresh = state.head === null || state.head.phase === 'starting';
  if (fresh) {
    await state.setHead({ phase: 'starting', identity, handoff: null });
    await state.put('file', fingerprint(input.config));
    await state.put(
      'tables',
      tables.map((table) => relationName(table.relation)),
    );
    // What the stream will find of them is judged by what they are now.
    const history = new ShapeHistory(state);
    await Promise.all(tables.map(({ relation }) => history.renew(relation)));
    if (input.catalog.choice !== undefined) await state.put('choice', input.catalog.choice);
    if (mode !== 'initial_only') await publish(context, input);
  }
  if (mode === 'never') {
    await state.setHead({ phase: 'stream', identity, handoff: await slotForStream(context) });
    return;
  }
  await copyWithRetries(context, input);
  if (mode === 'initial_only') await finishOnly(context, input.planning);
  const phase = mode === 'initial_only' ? 'done' : 'stream';
  // A standby of the source may have been promoted meanwhile.
  await state.setHead({ ...(state.head ?? { identity, handoff: null }), phase });
  context.log.log('info', 'snapshot-finished', 'all tables are copied and finished', {});
}

export async function publish(context: RunContext, { config, planning, catalog }: PhaseInput): Promise<void> {
  const plans = planning.sinks.map((sink) => sink.plans.filter((plan) => plan.unlogged !== true));
  const follow = config.ddl === 'follow';
  // Columns in a publication's filters and lists cannot be dropped or altered: with `ddl: follow` there are none.
  const planned = publishedTables(plans, follow ? 0 : catalog.identity.version);
  const tables = follow ? [...planned, ...(await publishedSince(context, planned))] : planned;
  // What others did to it must not be lost sight of when it is set right for the tables that are copied again.
  if (context.state.get('publication') !== null) await checkPublication(context, follow);
  const { control } = context.source;
  if (control !== undefined) await alterPublication(context, () => control.publication.publish(tables, context.stop));
  if (follow) await tellDdl(context);
}

/**
 * Under `ddl: follow` the source puts a new table into the publication before its first row. One that the stream has not come to yet
 * is in no plan, and must stay there: what was written to it since would be lost.
 */
async function publishedSince(
  { source, stop }: RunContext,
  planned: readonly PublishedTable[],
): Promise<readonly PublishedTable[]> {
  const known = new Set(planned.map(({ relation }) => relation.oid));
  const presence = (await source.ddl?.tables(stop)) ?? [];
  return presence
    .filter(({ oid, kind, chosen, published }) => published && chosen && kind !== 'partitioned' && !known.has(oid))
    .map(({ oid, schema, name, kind }) => ({
      relation: { oid, schema, name, kind, columns: [], identity: { kind: 'full' }, primaryKey: [] },
      where: null,
      columns: null,
    }));
}

/** The stream starts where the slot is made; one that the user made starts where it stands. */
async function slotForStream(context: RunContext): Promise<HandoffLsn | null> {
  const { control } = context.source;
  if (control === undefined) return (await context.source.open(context.stop)).begin;
  const before = await control.slot.status(context.stop);
  if (before !== null) await context.state.put(foreignSlot, true);
  const made = await control.slot.make(context.stop);
  // Its consistent point, or what its user confirmed since: a slot never starts before either.
  return made ?? ((before?.confirmed ?? null) as HandoffLsn | null);
}

/**
 * Copies under one snapshot, and goes on under another with the tables that are left (I5): after a failure that may pass, so that a
 * restarted server costs the chunks under way and not the run, and where DDL came between a snapshot and the copy of a table.
 */
export async function copyWithRetries(context: RunContext, input: PhaseInput): Promise<void> {
  const { workers, chunk_size: chunkBytes } = input.config.snapshot;
  const limit = new RateLimit(input.config.limit.rate);
  const { mode, stream, max_age: givenAge } = input.config.snapshot;
  const applyUpTo = stream === 'during' && mode === 'initial' ? input.applyUpTo : undefined;
  const maxAge = givenAge ?? (applyUpTo === undefined ? null : usualAge);
  const above = ledgerAbove(input.config.snapshot);
  const options = {
    workers,
    chunkBytes,
    ledgerAbove: above,
    ranges: { done: 0, without: new Set<SnapshotReplica>() },
    limit,
    maxAge,
    streams: applyUpTo !== undefined,
  };
  const turns = new SnapshotTurns(context);
  let opened = context.state.head?.phase === 'snapshot';
  let tables = input.catalog.tables;
  let round: Round | null = null;
  for (let failures = 1, before = -1; ; failures++) {
    const first = isFirst(context);
    try {
      if (context.state.head?.phase === 'snapshot') {
        await goOnWherePromoted(context, () => ownPositions(input.instances.sinks, context.stop));
        await publishChanged(context, input, tables);
      }
      const { left, due, begun } = await runSnapshot(context, options, async () => {
        const session = await open(context, input);
        opened = true;
        const made = await planned(context, { input, tables, first }, session);
        if (first) tables = made.waiting;
        round = made;
        return { ...made, settle: async () => (tables = await made.settle()) };
      });
      context.view.retrying = null;
      if (left.length > 0) throw left[0]!.error;
      if (!due) return;
      turns.next([finishedTables(context, input.planning), options.ranges.done, await rangesIn(begun, context.stop)]);
      failures = 0;
      const ended: Round = round!;
      round = null;
      await applyUpTo?.({ round: ended, begun });
    } catch (error) {
      const finished = finishedTables(context, input.planning) + options.ranges.done;
      if (finished > before) failures = 1;
      before = finished;
      if (!opened || context.stop.aborted) throw error;
      const known = await asRetryable(context, round, error);
      if (!retryable(known, failures, tries)) throw error;
      const waitMs = retryDelay(failures + 1);
      context.view.retrying = known.code;
      context.log.log('warn', 'snapshot-retry', known.message, { code: known.code, attempt: failures, waitMs });
      await pause(waitMs, context.stop);
    }
    round = null;
  }
}

/** Snapshots that end by their age, one after the other. */
class SnapshotTurns {
  readonly #context: RunContext;
  #before = '';
  #vain = 0;

  constructor(context: RunContext) {
    this.#context = context;
  }

  /** `done`: counts of what is done for good, whoever did it. Throws PGS3202 where snapshot after snapshot brought nothing. */
  next(done: readonly number[]): void {
    const now = done.join(' ');
    this.#vain = now === this.#before ? this.#vain + 1 : 0;
    this.#before = now;
    if (this.#vain >= 3) throw runtimeError('PGS3202', 'no chunk of a table could be copied within snapshot.max_age');
    const text = 'what is left is copied under a new snapshot: snapshot.max_age is reached, or standbys were lost';
    this.#context.log.log('info', 'snapshot-renewed', text, {});
  }
}

/** Without a stream nothing would bring ranges of different positions to one state. */
function ledgerAbove({ mode, ledger_above: above }: PipelineConfig['snapshot']): number {
  return mode === 'initial' ? above : Number.POSITIVE_INFINITY;
}

/** Nothing of an earlier snapshot is in a sink. */
function isFirst({ state }: RunContext): boolean {
  return state.head?.phase === 'starting' || state.head === null;
}

async function planned(context: RunContext, given: RoundInput, session: SnapshotSession): Promise<Round> {
  try {
    return await planRound(context, given, session);
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whatever failed while the source's tables were changed is tried again as they are now. */
async function asRetryable(context: RunContext, round: Round | null, error: unknown): Promise<PgsluiceError> {
  if (!(error instanceof PgsluiceError)) throw error;
  if (error.retry !== 'never' || round === null || !(await changedSince(context, round, null))) return error;
  return derived(error, { retry: 'backoff' });
}

/** A table that was dropped and made again is in no publication, and a list of columns lacks one that came. */
async function publishChanged(context: RunContext, input: PhaseInput, tables: readonly SourceTable[]): Promise<void> {
  if (input.config.snapshot.mode !== 'initial') return;
  const now = await readCatalog(context.source, context.stop);
  const changed = tables.flatMap((table) => {
    const found = tableNow(table.relation, now);
    return found === null ? [] : [{ found, same: isSame(found.relation, table.relation) }];
  });
  if (changed.every(({ same }) => same)) return;
  const catalog = { ...now, tables: changed.map(({ found }) => found) };
  const planning = await planAgain(input.instances.sinks, catalog, true, context.stop);
  await publish(context, { ...input, catalog, planning });
}

/** Steps that are done for good: a table copied is one, its indexes are another. */
function finishedTables(context: RunContext, planning: Planning): number {
  let steps = 0;
  for (const { name } of planning.sinks) {
    for (const table of context.state.tables(name).values()) steps += table.state === 'finished' ? 2 : 1;
  }
  return steps;
}

/** Also those that other processes brought. */
async function rangesIn(jobs: readonly CopyJob[], signal: AbortSignal): Promise<number> {
  let count = 0;
  for (const { sink, plan } of jobs) count += (await sink.sink.snapshot.ranges!.loaded(plan, signal)).size;
  return count;
}

async function open(context: RunContext, input: PhaseInput): Promise<SnapshotSession> {
  const { state, source, log } = context;
  if (input.config.snapshot.mode === 'initial_only') return openOnly(context, input);
  const handoff = state.head?.handoff ?? null;
  const snapshot = needed(source, 'snapshot', 'a copy');
  if (handoff !== null) return snapshot.open({ kind: 'again', handoff }, context.stop);
  const session = await snapshot.open({ kind: 'new' }, context.stop);
  const { identity } = await source.open(context.stop);
  await state.setHead({ phase: 'snapshot', identity, handoff: session.handoff });
  const lsn = formatLsn(session.exactAt satisfies SnapshotLsn);
  log.log('info', 'slot-created', `slot created at ${lsn}`, { lsn });
  return session;
}
