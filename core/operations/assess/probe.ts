import type { CopyTrial, DecodeTrial } from '../../api/assessment.ts';
import type { TablePlan } from '../../api/plan.ts';
import type { CopyChunk, SnapshotSession } from '../../api/snapshot.ts';
import { readCatalog } from '../../api/source.ts';
import { PgsluiceError } from '../../base/error.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import { firstUserOid } from '../../postgres/oids.ts';
import { needed } from '../../pipeline/open/capability.ts';
import type { Instances, PlannedSink, RunContext, SinkInstance } from '../../pipeline/open/instances.ts';
import { planSinks } from '../../pipeline/open/planning.ts';
import { openChunk } from '../../pipeline/snapshot/copy-job.ts';
import { RateLimit } from '../../pipeline/snapshot/rate-limit.ts';
import { type Probe, type Probed, rateOf } from './probed.ts';

export interface ProbeInput {
  readonly context: RunContext;
  readonly instances: Instances;
  readonly config: PipelineConfig;
}

/** Milliseconds: how long each is measured, and after which it is given up. */
const lasts = 10_000;
const patience = 60_000;
/** What one COPY takes: small, so that all tables have a part in what is measured. */
const chunkBytes = 8 * 1024 ** 2;
/** Less WAL than this says nothing of a rate. */
const leastWal = 1024 ** 2;

/** Begun before the source is watched, so that the WAL of the watch is there to be decoded. What fails is told by {@link probe}. */
export async function beginDecoding({ context }: ProbeInput): Promise<DecodeTrial> {
  const source = needed(context.source, 'assess', '`assess`');
  try {
    if (source.decoding === undefined) throw new Error('this source cannot');
    return await source.decoding(AbortSignal.any([context.stop, AbortSignal.timeout(patience)]));
  } catch (error) {
    return { run: () => Promise.reject(error), [Symbol.asyncDispose]: async () => {} };
  }
}

export async function probe(input: ProbeInput, decoding: DecodeTrial): Promise<Probe> {
  return { decode: await decode(input, decoding), ...(await copies(input)) };
}

async function decode({ context }: ProbeInput, trial: DecodeTrial): Promise<Probed> {
  try {
    const decoded = await trial.run(lasts, AbortSignal.any([context.stop, AbortSignal.timeout(patience)]));
    if (decoded.bytes >= leastWal) return decoded;
    return { why: 'less than 1 MB of WAL was there to be decoded: watch longer, or at a busier time' };
  } catch (error) {
    return failure(context, error);
  }
}

async function copies(input: ProbeInput): Promise<Pick<Probe, 'copy' | 'transforms'>> {
  const { context, instances } = input;
  try {
    const sinks = await planned(input, instances.sinks);
    const copy = await slowest(input, sinks, lasts);
    const changed = sinks.map((sink) => ({ ...sink, plans: sink.plans.filter(isChanged) }));
    const tables = new Set(changed.flatMap(({ plans }) => plans.map(({ source }) => source.oid)));
    if (tables.size === 0) return { copy, transforms: null };
    const beside = { tables: tables.size, with: await slowest(input, changed, lasts / 2) };
    try {
      const without = instances.sinks.map((sink) => ({ ...sink, steps: [] }));
      const same = (await planned(input, without)).map((sink) => {
        return { ...sink, plans: sink.plans.filter(({ source }) => tables.has(source.oid)) };
      });
      return { copy, transforms: { ...beside, without: await slowest(input, same, lasts / 2) } };
    } catch (error) {
      return { copy, transforms: { ...beside, without: failure(context, error) } };
    }
  } catch (error) {
    return { copy: failure(context, error), transforms: null };
  }
}

async function planned({ context, config }: ProbeInput, sinks: readonly SinkInstance[]) {
  const signal = AbortSignal.any([context.stop, AbortSignal.timeout(patience)]);
  const catalog = await readCatalog(context.source, signal);
  return (await planSinks(sinks, catalog, config.snapshot.mode !== 'initial_only', signal)).sinks;
}

/** A rename alone costs nothing. */
function isChanged({ query, tail }: TablePlan): boolean {
  return query.plain === null || tail !== null;
}

async function slowest(input: ProbeInput, sinks: readonly PlannedSink[], ms: number): Promise<Probed> {
  const signal = AbortSignal.any([input.context.stop, AbortSignal.timeout(patience)]);
  const snapshots = needed(input.context.source, 'snapshot', '`assess --probe`');
  let found: Probed = { why: 'no sink of the file is a PostgreSQL database' };
  for (const sink of sinks) {
    if (sink.sink.trial === undefined) continue;
    await using session = await snapshots.open({ kind: 'only', before: null }, signal);
    const measured = await copyInto(input, { sink, session, signal, ms });
    if ('why' in found || rateOf(measured) < rateOf(found)) found = measured;
  }
  return found;
}

interface Trial {
  readonly sink: PlannedSink;
  readonly session: SnapshotSession;
  readonly signal: AbortSignal;
  readonly ms: number;
}

interface Part {
  readonly plan: TablePlan;
  readonly chunk: CopyChunk;
}

/** As many sessions as a run has, through the same plans and under the same limit. */
async function copyInto({ config }: ProbeInput, { sink, session, signal, ms }: Trial): Promise<Probed> {
  const parts: Part[] = [];
  for (const plan of sink.plans) {
    const chunks = await session.chunks(plan.source, chunkBytes);
    parts.push(...chunks.map((chunk) => ({ plan: onTrial(plan), chunk })));
  }
  const queue = spread(parts);
  const limit = new RateLimit(config.limit.rate);
  let began: number | null = null;
  let bytes = 0;
  const lane = async (trial: CopyTrial): Promise<void> => {
    // The first of the sessions is there: to connect is no part of the rate.
    began ??= performance.now();
    while (performance.now() - began < ms) {
      const part = queue.shift();
      if (part === undefined) return;
      const copy = await openChunk(session, part.plan, part.chunk, { limit, signal, count: () => {} });
      await trial.load(part.plan, copy, signal);
      bytes += part.chunk.bytes;
    }
  };
  const lanes = Math.min(config.snapshot.workers, queue.length);
  const ended = await Promise.allSettled(Array.from({ length: lanes }, () => sink.sink.trial!(lane)));
  const failed = ended.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
  if (bytes === 0 || began === null) return { why: 'the tables are empty' };
  return { bytes, seconds: (performance.now() - began) / 1000 };
}

/** Of types that are not built in, the target may have none yet: then rows go as text. */
function onTrial(plan: TablePlan): TablePlan {
  const foreign = plan.output.columns.some(({ type }) => type >= firstUserOid);
  if (plan.route.kind !== 'raw' || !foreign) return plan;
  return { ...plan, route: { ...plan.route, format: 'text' } };
}

/** Pure. An order in which any beginning holds parts of everywhere: by multiples of the golden ratio, modulo 1. */
export function spread<T>(items: readonly T[]): T[] {
  const place = (index: number) => (index * 0.618_033_988_749_895) % 1;
  return items
    .map((item, index) => ({ item, at: place(index) }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function failure({ stop }: RunContext, error: unknown): Probed {
  if (stop.aborted) return { why: 'interrupted' };
  if (error instanceof PgsluiceError) return { why: `${error.code}: ${error.message}`, failed: true };
  const { name, message } = error as Error;
  return { why: name === 'TimeoutError' ? `it took longer than ${patience / 1000} s` : message, failed: true };
}
