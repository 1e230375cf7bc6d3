import { createHash } from 'node:crypto';
import { formatLsn, type HandoffLsn, parseLsn } from '../api/lsn.ts';
import { relationName } from '../api/relation.ts';
import type { SnapshotSession } from '../api/snapshot.ts';
import type { SourceCatalog, SourceIdentity } from '../api/source.ts';
import type { PipelineConfig, TransformUse } from '../config/pipeline-config.ts';
import { publishedTables } from '../plan/publication.ts';
import type { Head, PipelineState } from '../state/pipeline-state.ts';
import { runtimeError } from './errors.ts';
import type { Instances, RunContext } from './instances.ts';
import { mappersOf, type Planning, planSinks } from './planning.ts';
import { RateLimit } from './rate-limit.ts';
import { runSnapshot } from './snapshot/run-snapshot.ts';
import type { FollowEnd } from './stream/follow.ts';
import { runStream } from './stream/run-stream.ts';

export interface RunOptions {
  readonly config: PipelineConfig;
  readonly instances: Instances;
  /** `--stop-at`: an LSN, `now`, or null. */
  readonly stopAt: string | null;
}

/** `copied`: `initial_only` is through; the others as in {@link FollowEnd}. */
export type RunEnd = FollowEnd | 'copied';

/**
 * The main job, from whatever phase the checkpoint says: objects on the source, snapshot, stream. The caller holds the
 * checkpoint's lock. Every phase ends in a durable state before the next begins.
 */
export async function runPipeline(context: RunContext, options: RunOptions): Promise<RunEnd> {
  const { source, state } = context;
  const { config } = options;
  const catalog = await source.catalog(context.stop);
  checkIdentity(state.head, catalog.identity);
  checkFile(state, config);
  if (state.head?.phase === 'done') throw runtimeError('PGS6004', 'this pipeline was cut over: its slot is dropped');
  if (state.head?.phase === 'starting') await startOver(context);
  const streaming = config.snapshot.mode !== 'initial_only';
  const planning = await planSinks(options.instances.sinks, knownTables(context, catalog), streaming, context.stop);
  if (state.head === null || state.head.phase === 'starting') {
    await firstStart(context, options, catalog, planning);
  } else if (state.head.phase === 'snapshot') {
    await snapshotPhase(context, options, catalog, planning);
  }
  if (!streaming) return 'copied';
  return streamPhase(context, options, planning);
}

/** A first start that fails before a row was copied leaves nothing behind: no slot that keeps WAL, no publication, no state. */
async function firstStart(
  context: RunContext,
  options: RunOptions,
  catalog: SourceCatalog,
  planning: Planning,
): Promise<void> {
  try {
    await snapshotPhase(context, options, catalog, planning);
  } catch (error) {
    if (context.view.phase === 'starting' || context.view.phase === 'schema') await undo(context, options);
    throw error;
  }
}

async function undo(context: RunContext, options: RunOptions): Promise<void> {
  try {
    await context.state.settled().catch(() => {});
    await context.source.control.cleanup();
    for (const { sink } of options.instances.sinks) await sink.cleanup();
    await options.instances.store.remove();
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
async function startOver(context: RunContext): Promise<void> {
  const dropped = await context.source.control.cleanup();
  context.log.log('info', 'start-over', 'an earlier start did not get as far as a snapshot', {
    dropped: dropped.join(', '),
  });
}

async function snapshotPhase(
  context: RunContext,
  options: RunOptions,
  catalog: SourceCatalog,
  planning: Planning,
): Promise<void> {
  const { state, source } = context;
  const { config } = options;
  const { identity } = catalog;
  const { mode, workers, chunk_size: chunkBytes } = config.snapshot;
  const fresh = state.head === null || state.head.phase === 'starting';
  if (fresh) await state.setHead({ phase: 'starting', identity, handoff: null });
  if (fresh)
    await state.put(
      'tables',
      catalog.tables.map((table) => relationName(table.relation)),
    );
  if (fresh && mode !== 'initial_only') {
    await source.publish(
      publishedTables(
        planning.sinks.map((sink) => sink.plans),
        identity.version,
      ),
      context.stop,
    );
  }
  if (mode === 'never') {
    const handoff = await source.ensureSlot(context.stop);
    await state.setHead({ phase: 'stream', identity, handoff });
    return;
  }
  const open = async (): Promise<SnapshotSession> => {
    const handoff = state.head?.handoff ?? null;
    if (mode === 'initial_only') return source.snapshot({ kind: 'again', handoff: 0n as HandoffLsn }, context.stop);
    if (!fresh && handoff !== null) return source.snapshot({ kind: 'again', handoff }, context.stop);
    const session = await source.snapshot({ kind: 'new' }, context.stop);
    await state.setHead({ phase: 'snapshot', identity, handoff: session.handoff });
    context.log.log('info', 'slot-created', `slot created at ${formatLsn(session.handoff)}`, {
      lsn: formatLsn(session.handoff),
    });
    return session;
  };
  const limit = new RateLimit(config.limit.rate);
  await runSnapshot(context, { catalog, sinks: planning.sinks, workers, chunkBytes, limit }, open);
  await state.setHead({
    phase: mode === 'initial_only' ? 'done' : 'stream',
    identity,
    handoff: state.head?.handoff ?? null,
  });
  context.log.log('info', 'snapshot-finished', 'all tables are copied and finished', {});
}

async function streamPhase(context: RunContext, options: RunOptions, planning: Planning): Promise<RunEnd> {
  const { state, view } = context;
  const head = state.head!;
  if (head.handoff === null) throw runtimeError('PGS6002', 'the checkpoint has no consistent point of a slot');
  const slot = await context.source.control.slot();
  if (slot === null)
    throw runtimeError('PGS6004', 'the replication slot of this pipeline does not exist on the source');
  view.enter('catch-up');
  const until = await stopPosition(context, options.stopAt);
  const end = await runStream(context, {
    sinks: planning.sinks,
    mappers: mappersOf(planning),
    identity: head.identity,
    handoff: head.handoff,
    until,
  });
  view.enter('stopping');
  return end;
}

async function stopPosition(context: RunContext, stopAt: string | null): Promise<bigint | null> {
  if (stopAt === null) return null;
  const until = stopAt === 'now' ? await context.source.control.position() : readStop(stopAt);
  context.log.log('info', 'stop-position', `will stop at ${formatLsn(until)}`, { lsn: formatLsn(until) });
  return until;
}

function readStop(text: string): bigint {
  try {
    return parseLsn(text);
  } catch (cause) {
    throw runtimeError('PGS6005', `--stop-at ${JSON.stringify(text)} is not an LSN`, { cause });
  }
}

/**
 * What is in the target was made by the transforms of the first start, and the publication filters by them: rows that a
 * wider filter would keep were never sent. So a changed chain is refused, not applied from here on.
 */
function checkFile(state: PipelineState, config: PipelineConfig): void {
  const then = state.get('file');
  if (state.head === null || state.head.phase === 'starting' || then === null || then === fingerprint(config)) return;
  throw runtimeError('PGS6014', 'transforms, or tables of a sink, were changed since the pipeline was started');
}

function fingerprint(config: PipelineConfig): string {
  const chain = (uses: readonly TransformUse[]) => uses.map((use) => [use.plugin.name, use.tables, use.options]);
  const sinks = config.sinks.map((sink) => [sink.name, sink.plugin.name, sink.tables, chain(sink.transforms)]);
  return createHash('sha256')
    .update(JSON.stringify([chain(config.transforms), sinks]))
    .digest('hex');
}

function checkIdentity(head: Head | null, now: SourceIdentity): void {
  if (head === null) return;
  const then = head.identity;
  const differs = (['systemId', 'timeline', 'database'] as const).filter((key) => then[key] !== now[key]);
  if (differs.length === 0) return;
  const words = differs.map((key) => `${key} ${then[key]} then, ${now[key]} now`).join('; ');
  throw runtimeError('PGS6001', `the state of this pipeline belongs to another source: ${words}`);
}

/**
 * Once the snapshot's tables are settled, a table that appears later is not silently half of the pipeline: it is left
 * out, with a warning, until it is copied.
 */
function knownTables(context: RunContext, catalog: SourceCatalog): SourceCatalog {
  const { head } = context.state;
  const chosen = context.state.get('tables');
  if (head === null || head.phase === 'starting' || !Array.isArray(chosen)) return catalog;
  const known = new Set(chosen as readonly string[]);
  const added = catalog.tables.filter((table) => !known.has(relationName(table.relation)));
  for (const { relation } of added) {
    const table = relationName(relation);
    context.log.log(
      'warn',
      'table-not-included',
      `${table} came after the start and is not replicated; add it with pgsluice resync`,
      { table },
    );
  }
  return { ...catalog, tables: catalog.tables.filter((table) => known.has(relationName(table.relation))) };
}
