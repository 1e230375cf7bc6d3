import { formatLsn, parseLsn } from '../api/lsn.ts';
import type { SourceIdentity } from '../api/source.ts';
import type { PipelineConfig } from '../config/pipeline-config.ts';
import type { Head, PipelineState } from '../state/pipeline-state.ts';
import { runtimeError } from './errors.ts';
import { fileKey, fingerprint } from './fingerprint.ts';
import type { Instances, RunContext } from './instances.ts';
import { knownTables } from './known-tables.ts';
import { readCatalog, shapesUnderWay } from './ddl/known-shapes.ts';
import { Shapes } from './ddl/shapes.ts';
import { TableWatch } from './ddl/table-watch.ts';
import { tellDdl } from './ddl/tell-ddl.ts';
import { type Planning, planSinks } from './planning.ts';
import { copyPending } from './resync.ts';
import { firstStart, snapshotPhase, startOver } from './snapshot/phase.ts';
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
  const { state } = context;
  const { config } = options;
  const catalog = await readCatalog(context);
  checkIdentity(state.head, catalog.identity);
  checkFile(state, config);
  if (state.head?.phase === 'done' && config.snapshot.mode === 'initial_only') return copiedBefore(context);
  if (state.head?.phase === 'done') throw runtimeError('PGS6004', 'this pipeline was cut over: its slot is dropped');
  if (state.head?.phase === 'cutover') throw runtimeError('PGS6015', 'a cut-over of this pipeline has been decided');
  if (state.head?.phase === 'starting') await startOver(context);
  const streaming = config.snapshot.mode !== 'initial_only';
  const known = knownTables(state, catalog, context.log);
  await copyPending(context, { config, instances: options.instances, catalog: known });
  const planning = await planSinks(
    options.instances.sinks,
    await shapesUnderWay(context, known),
    streaming,
    context.stop,
  );
  if (state.head === null || state.head.phase === 'starting') {
    await firstStart(context, { config, instances: options.instances, catalog, planning });
  } else if (state.head.phase === 'snapshot') {
    await snapshotPhase(context, { config, instances: options.instances, catalog, planning });
  }
  if (!streaming) return 'copied';
  return streamPhase(context, options, planning);
}

function copiedBefore(context: RunContext): RunEnd {
  context.log.log('info', 'copied-before', 'this copy was completed by an earlier run; nothing is done');
  return 'copied';
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
  const follow = options.config.ddl === 'follow';
  if (follow) await tellDdl(context);
  const shapes = await Shapes.open(context, planning, follow);
  await using watch = new TableWatch({ context, sinks: planning.sinks, book: shapes.book, follow, every: 3000 });
  const end = await runStream(context, {
    sinks: planning.sinks,
    mapperAt: (sink, position) => shapes.mapper(sink, position),
    ...(follow ? { beforeBatch: (batch) => shapes.see(batch) } : {}),
    fatal: watch.fatal,
    identity: head.identity,
    handoff: head.handoff,
    until,
  });
  view.enter('stopping');
  if (end === 'ended') await watch.look(true);
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
export function checkFile(state: PipelineState, config: PipelineConfig): void {
  const then = state.get(fileKey);
  if (state.head === null || state.head.phase === 'starting' || then === null || then === fingerprint(config)) return;
  throw runtimeError('PGS6014', 'transforms, or tables of a sink, were changed since the pipeline was started');
}

function checkIdentity(head: Head | null, now: SourceIdentity): void {
  if (head === null) return;
  const then = head.identity;
  const differs = (['systemId', 'timeline', 'database'] as const).filter((key) => then[key] !== now[key]);
  if (differs.length === 0) return;
  const words = differs.map((key) => `${key} ${then[key]} then, ${now[key]} now`).join('; ');
  throw runtimeError('PGS6001', `the state of this pipeline belongs to another source: ${words}`);
}
