import type { CopyTrial, DecodeTrial } from '../../api/assessment.ts';
import type { TablePlan } from '../../api/plan.ts';
import type { CopyChunk, SnapshotSession } from '../../api/snapshot.ts';
import { readCatalog } from '../../api/source.ts';
import { PgsluiceError } from '../../base/error.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import { firstUserOid } from '../../postgres/oids.ts';
import { needed } from '../../pipeline/open/capability.ts';
import type { Instances, PlannedSink, RunContext } from '../../pipeline/open/instances.ts';
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
  return { decode: await decode(input, decoding), copy: await copy(input) };
}

async function decode({ context }: ProbeInput, trial: DecodeTrial): Promise<Probed> {
  try {
    const decoded = await trial.run(lasts, AbortSignal.any([context.stop, AbortSignal.timeout(patience)]));
    if (decoded.bytes >= leastWal) return decoded;
    return { why: 'less than 1 MB of WAL was there to be decoded: watch longer, or at a busier time' };
  } catch (error) {
    return { why: reason(context, error) };
  }
}

async function copy(input: ProbeInput): Promise<Probed> {
  const { context, instances, config } = input;
  try {
    const signal = AbortSignal.any([context.stop, AbortSignal.timeout(patience)]);
    const catalog = await readCatalog(context.source, signal);
    const { sinks } = await planSinks(instances.sinks, catalog, config.snapshot.mode !== 'initial_only', signal);
    const snapshots = needed(context.source, 'snapshot', '`assess --probe`');
    let slowest: Probed = { why: 'no sink of the file is a PostgreSQL database' };
    for (const sink of sinks) {
      if (sink.sink.trial === undefined) continue;
      await using session = await snapshots.open({ kind: 'only', before: null }, signal);
      const measured = await copyInto(input, { sink, session, signal });
      if ('why' in slowest || rateOf(measured) < rateOf(slowest)) slowest = measured;
    }
    return slowest;
  } catch (error) {
    return { why: reason(context, error) };
  }
}

interface Trial {
  readonly sink: PlannedSink;
  readonly session: SnapshotSession;
  readonly signal: AbortSignal;
}

interface Part {
  readonly plan: TablePlan;
  readonly chunk: CopyChunk;
}

/** As many sessions as a run has, through the same plans and under the same limit. */
async function copyInto({ config }: ProbeInput, { sink, session, signal }: Trial): Promise<Probed> {
  const parts: Part[] = [];
  for (const plan of sink.plans) {
    const chunks = await session.chunks(plan.source, chunkBytes);
    parts.push(...chunks.map((chunk) => ({ plan: onTrial(plan), chunk })));
  }
  const queue = spread(parts);
  const limit = new RateLimit(config.limit.rate);
  const began = performance.now();
  let bytes = 0;
  const lane = async (trial: CopyTrial): Promise<void> => {
    while (performance.now() - began < lasts) {
      const part = queue.shift();
      if (part === undefined) return;
      const job = { plan: part.plan, view: { bytes: 0 } };
      await trial.load(part.plan, await openChunk(session, job, part.chunk, { limit, signal }), signal);
      bytes += part.chunk.bytes;
    }
  };
  const lanes = Math.min(config.snapshot.workers, queue.length);
  const ended = await Promise.allSettled(Array.from({ length: lanes }, () => sink.sink.trial!(lane)));
  const failed = ended.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
  if (bytes === 0) return { why: 'the tables are empty' };
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

function reason({ stop }: RunContext, error: unknown): string {
  if (stop.aborted) return 'interrupted';
  if (error instanceof PgsluiceError) return `${error.code}: ${error.message}`;
  const { name, message } = error as Error;
  return name === 'TimeoutError' ? `it took longer than ${patience / 1000} s` : message;
}
