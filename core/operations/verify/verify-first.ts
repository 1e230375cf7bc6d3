import { PgsluiceError } from '../../base/error.ts';
import { formatLsn, type HandoffLsn, type SnapshotLsn } from '../../postgres/lsn.ts';
import { failpoint } from '../../base/failpoint.ts';
import { encodeControl } from '../../pipeline/control/control-message.ts';
import { forgottenRows, forgottenShapes, ShapeHistory } from '../../pipeline/ddl/shape-history.ts';
import { needed } from '../../pipeline/open/capability.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import type { Planning } from '../../pipeline/open/planning.ts';
import { checkIdentity, goOnWherePromoted, ownPositions, reachedBy } from '../../pipeline/open/promoted.ts';
import { entry, member } from '../../pipeline/state/entries.ts';
import { relationName } from '../../postgres/relation.ts';
import type { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import { requestCopy } from '../../pipeline/state/known-tables.ts';
import { verifyError } from './errors.ts';
import { mostRepaired } from './repair.ts';
import { compareDefaults, type TableVerdict, verifyAll, verifyWorkers } from './run-verify.ts';
import { verifyPipeline } from './verify-pipeline.ts';

export interface VerifiedFirst {
  /** A new slot was made: what was committed before it is in no stream. */
  readonly again: bigint | null;
  readonly tables: readonly TableVerdict[];
  /** Those that are still to be copied whole. */
  readonly copy: readonly string[];
}

const compare = { limit: mostRepaired } as const;

/**
 * Compares the tables with the source and copies the rows again that differ; those that cannot be repaired so are named, to be copied whole.
 * The caller holds the lock. Where the stream cannot go on from what the sinks have, with a new slot, and for all tables.
 */
export async function verifyFirst(
  pipeline: OpenPipeline,
  planning: Planning,
  only: readonly string[] | null,
): Promise<VerifiedFirst> {
  for (const { sink, name } of planning.sinks)
    if (sink.digests === undefined) throw verifyError('PGS7002', `sink ${name} cannot be read back`);
  if (pipeline.context.state.head?.phase === 'snapshot') return inFirstCopy(pipeline, planning);
  try {
    const { tables } = await verifyPipeline(
      { pipeline, locked: true, only, repair: true, leave: true, compare },
      planning,
    );
    const copy = toCopy(tables);
    const equal = tables.map(({ table }) => table).filter((table) => !copy.includes(table));
    await pipeline.context.state.putAll(forgottenRows(pipeline.context.state, equal));
    return { again: null, tables, copy };
  } catch (error) {
    return afterLoss(pipeline, planning, error);
  }
}

/** Of a first copy only the tables that are copied are compared, as the next run copies the others under a snapshot of its own. */
async function inFirstCopy(pipeline: OpenPipeline, planning: Planning): Promise<VerifiedFirst> {
  const { context } = pipeline;
  try {
    await goOnWherePromoted(context, () => ownPositions(planning.sinks, context.stop));
  } catch (error) {
    return afterLoss(pipeline, planning, error);
  }
  const slot = await needed(context.source, 'control', 'resync --verify-first').slot.status(context.stop);
  return slot === null || slot.walStatus === 'lost'
    ? withNewSlot(pipeline, planning)
    : { again: null, tables: [], copy: [] };
}

async function afterLoss(pipeline: OpenPipeline, planning: Planning, error: unknown): Promise<VerifiedFirst> {
  if (!(error instanceof PgsluiceError) || error.meaning !== 'stream-lost') throw error;
  pipeline.context.log.log('warn', 'stream-lost', error.message, { code: error.code });
  return withNewSlot(pipeline, planning);
}

/** Tables that every sink has which takes them. */
function copiedTables(state: PipelineState, { sinks }: Planning): readonly string[] {
  const taken = sinks.flatMap(({ name, plans }) =>
    plans.map((plan) => {
      const table = relationName(plan.source);
      return { table, copied: state.table(name, table) !== null };
    }),
  );
  const waiting = new Set(taken.filter(({ copied }) => !copied).map(({ table }) => table));
  return [...new Set(taken.map(({ table }) => table))].filter((table) => !waiting.has(table));
}

/** Neither equal nor repaired, or not compared at all. */
function toCopy(tables: readonly TableVerdict[]): readonly string[] {
  const left = tables.filter(
    ({ comparison, repaired }) => comparison === null || (!comparison.equal && repaired === 0),
  );
  return [...new Set(left.map(({ table }) => table))];
}

/**
 * The targets stand still, so under the snapshot of the new slot both sides are compared as they are; the stream begins at its consistent
 * point. The state says so in one write, behind the comparison: until then the pipeline is as lost as it was.
 */
async function withNewSlot({ context, instances }: OpenPipeline, planning: Planning): Promise<VerifiedFirst> {
  const { state, source, stop, log } = context;
  const { identity } = await source.open(stop);
  checkIdentity(state.head, identity);
  const snapshot = needed(source, 'snapshot', 'resync --verify-first');
  const control = needed(source, 'control', 'resync --verify-first');
  await passBy(context, reachedBy(state, await ownPositions(planning.sinks, stop)));
  await control.slot.drop?.(stop);
  await using session = await snapshot.open({ kind: 'new' }, stop);
  const at = session.handoff!;
  log.log('info', 'slot-created', `a new slot begins at ${formatLsn(at)}`, { lsn: formatLsn(at) });
  failpoint('verify-first-slot');
  const aligned = { snapshot: session.name, at, release: async () => {}, [Symbol.asyncDispose]: async () => {} };
  const first = state.head?.phase === 'snapshot';
  const only = first ? copiedTables(state, planning) : null;
  const options = { log, signal: stop, only, workers: verifyWorkers, repair: true, leave: true };
  // There is one position alone at which nothing of the new stream is missing.
  const more = { ...options, renewAfter: null, progress: null, compare: { ...compareDefaults, ...compare } };
  const { tables } =
    only?.length === 0 ? { tables: [] } : await verifyAll(source, planning.sinks, async () => aligned, more);
  failpoint('verify-first-compared');
  const copy = toCopy(tables);
  if (first) {
    const equal = only!.filter((table) => !copy.includes(table));
    await takeUpFirstCopy({ context, instances }, planning, { identity, at, equal });
    return { again: at, tables, copy: [] };
  }
  await takeUp({ context, instances }, { identity, at, copy });
  return { again: at, tables, copy };
}

/** The positions that the sinks have must not come again (I2): a server that lost some of its WAL writes beyond them first. */
async function passBy({ source, stop, pipeline }: OpenPipeline['context'], reached: bigint): Promise<void> {
  const control = needed(source, 'control', 'resync --verify-first');
  const id = 'x'.repeat(1 << 20);
  while ((await source.open(stop)).end <= reached)
    await control.emit(encodeControl(pipeline, { kind: 'barrier', id, after: 'go-on' }), stop);
}

interface NewStart {
  readonly identity: Awaited<ReturnType<OpenPipeline['context']['source']['open']>>['identity'];
  readonly at: HandoffLsn;
  readonly copy: readonly string[];
}

/**
 * The first copy goes on with the tables that are not equal, as if they had never been copied. What they, and those that wait, were when
 * the target was made for them stays noted: the next snapshot compares with it.
 */
async function takeUpFirstCopy(
  { context: { state }, instances }: Pick<OpenPipeline, 'context' | 'instances'>,
  { sinks: planned }: Planning,
  { identity, at, equal }: Omit<NewStart, 'copy'> & { readonly equal: readonly string[] },
): Promise<void> {
  const sinks = instances.sinks.map(({ name }) => name);
  const exactAt = at as bigint as SnapshotLsn;
  const all = sinks.flatMap((sink) => [...state.tables(sink)].map(([table, was]) => ({ sink, table, was })));
  const kept = all
    .filter(({ table }) => equal.includes(table))
    .map(({ sink, table, was }) => member('table', `${sink}:${table}`, { ...was, exactAt }));
  const history = new ShapeHistory(state);
  const sources = new Map(planned.flatMap(({ plans }) => plans.map(({ source }) => [relationName(source), source])));
  for (const [table, source] of sources) if (equal.includes(table)) await history.renew(source);
  // Also ranges of a table whose copy is not through: what changed in them since lies before the new slot.
  const again = [...sources.keys()].filter((table) => !equal.includes(table));
  const head = entry('head', { phase: 'snapshot', identity, handoff: at });
  await state.forgetTables(again, sinks, [head, entry('idle', null), ...kept, ...forgottenRows(state, equal)]);
}

async function takeUp(
  { context, instances }: Pick<OpenPipeline, 'context' | 'instances'>,
  { identity, at, copy }: NewStart,
): Promise<void> {
  const { state } = context;
  const sinks = instances.sinks.map(({ name }) => name);
  const exactAt = at as bigint as SnapshotLsn;
  const all = sinks.flatMap((sink) => [...state.tables(sink)].map(([table, was]) => ({ sink, table, was })));
  const compared = all
    .filter(({ table }) => !copy.includes(table))
    .map(({ sink, table, was }) => member('table', `${sink}:${table}`, { ...was, exactAt }));
  const head = entry('head', { phase: 'stream', identity, handoff: at });
  const names = [...new Set(all.map(({ table }) => table))];
  const entries = [head, entry('idle', null), ...compared, ...forgottenShapes(state, names)];
  await (copy.length === 0 ? state.putAll(entries) : requestCopy(state, copy, sinks, ...entries));
}
