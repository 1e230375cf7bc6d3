import type { CopyTrial, DecodeTrial } from '../../api/assessment.ts';
import type { TablePlan } from '../../api/plan.ts';
import type { CopyChunk, SnapshotSession } from '../../api/snapshot.ts';
import { readCatalog } from '../../api/source.ts';
import { PgsluiceError } from '../../base/error.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import { firstUserOid } from '../../postgres/oids.ts';
import type { Oid } from '../../postgres/relation.ts';
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
/** Less WAL than this says nothing of a rate, nor do less bytes of indexes. */
const least = 1024 ** 2;

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
    if (decoded.bytes >= least) return decoded;
    return { why: 'less than 1 MB of WAL was there to be decoded: watch longer, or at a busier time' };
  } catch (error) {
    return failure(context, error);
  }
}

async function copies(input: ProbeInput): Promise<Omit<Probe, 'decode'>> {
  const { context, instances } = input;
  try {
    const sinks = await planned(input, instances.sinks);
    const oids = [...new Set(sinks.flatMap(({ plans }) => plans.map(({ source }) => source.oid)))];
    const signal = AbortSignal.any([context.stop, AbortSignal.timeout(patience)]);
    const btrees = (await context.source.assess?.btrees?.(oids, signal)) ?? new Map();
    const { copy, index } = await slowest(input, sinks, { ms: lasts, btrees });
    const changed = sinks.map((sink) => ({ ...sink, plans: sink.plans.filter(isChanged) }));
    const tables = new Set(changed.flatMap(({ plans }) => plans.map(({ source }) => source.oid)));
    if (tables.size === 0) return { copy, index, transforms: null };
    const brief = { ms: lasts / 2, btrees: null };
    const beside = { tables: tables.size, with: (await slowest(input, changed, brief)).copy };
    try {
      const without = instances.sinks.map((sink) => ({ ...sink, steps: [] }));
      const same = (await planned(input, without)).map((sink) => {
        return { ...sink, plans: sink.plans.filter(({ source }) => tables.has(source.oid)) };
      });
      return { copy, index, transforms: { ...beside, without: (await slowest(input, same, brief)).copy } };
    } catch (error) {
      return { copy, index, transforms: { ...beside, without: failure(context, error) } };
    }
  } catch (error) {
    const copy = failure(context, error);
    return { copy, index: { why: 'the copy was not measured' }, transforms: null };
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

interface Extent {
  readonly ms: number;
  /** Indexes to be built over what is loaded, by source table; null: none. */
  readonly btrees: ReadonlyMap<Oid, readonly (readonly string[])[]> | null;
}

type Tried = Pick<Probe, 'copy' | 'index'>;

/** Of several sinks the slowest counts, of the copy and of the index builds each. */
async function slowest(input: ProbeInput, sinks: readonly PlannedSink[], extent: Extent): Promise<Tried> {
  const signal = AbortSignal.any([input.context.stop, AbortSignal.timeout(patience)]);
  const snapshots = needed(input.context.source, 'snapshot', '`assess --probe`');
  const none: Probed = { why: 'no sink of the file is a PostgreSQL database' };
  let found: Tried = { copy: none, index: none };
  const slower = (one: Probed, other: Probed) => ('why' in one || rateOf(other) < rateOf(one) ? other : one);
  for (const sink of sinks) {
    if (sink.sink.trial === undefined) continue;
    await using session = await snapshots.open({ kind: 'only', before: null }, signal);
    const { copy, index } = await copyInto(input, { sink, session, signal, ...extent });
    found = { copy: slower(found.copy, copy), index: slower(found.index, index) };
  }
  return found;
}

interface Trial extends Extent {
  readonly sink: PlannedSink;
  readonly session: SnapshotSession;
  readonly signal: AbortSignal;
}

interface Part {
  readonly plan: TablePlan;
  readonly chunk: CopyChunk;
}

/** As many sessions as a run has, through the same plans and under the same limit; then each builds indexes over what it loaded. */
async function copyInto({ context, config }: ProbeInput, trying: Trial): Promise<Tried> {
  const { sink, session, signal, ms, btrees } = trying;
  const parts: Part[] = [];
  for (const plan of sink.plans) {
    const chunks = await session.chunks(plan.source, chunkBytes);
    const own = onTrial(plan);
    parts.push(...chunks.map((chunk) => ({ plan: own, chunk })));
  }
  const queue = spread(parts);
  const limit = new RateLimit(config.limit.rate);
  const copied = new Measured();
  const built = new Measured();
  let refused: unknown = null;
  const lanes = Array.from({ length: Math.min(config.snapshot.workers, queue.length) }, () =>
    Promise.withResolvers<void>(),
  );
  const allCopied = Promise.all(lanes.map(({ promise }) => promise));

  const copy = async (trial: CopyTrial): Promise<ReadonlySet<TablePlan>> => {
    const plans = new Set<TablePlan>();
    // Once the first of the sessions is there: to connect is no part of the rate.
    copied.begin();
    while (copied.elapsed < ms) {
      const part = queue.shift();
      if (part === undefined) break;
      const rows = await openChunk(session, part.plan, part.chunk, { limit, signal, count: () => {} });
      await trial.load(part.plan, rows, signal);
      copied.add(part.chunk.bytes);
      plans.add(part.plan);
    }
    return plans;
  };
  const build = async (trial: CopyTrial, plans: ReadonlySet<TablePlan>): Promise<void> => {
    built.begin();
    for (const plan of plans)
      for (const columns of indexesOf(plan, btrees)) {
        if (built.elapsed >= ms || signal.aborted) return;
        built.add(await trial.index(plan, columns));
      }
  };
  const ended = await Promise.allSettled(
    lanes.map(async ({ resolve }) => {
      try {
        await sink.sink.trial!(async (trial) => {
          const plans = await copy(trial);
          resolve();
          await allCopied;
          await build(trial, plans).catch((error: unknown) => (refused ??= error));
        });
      } finally {
        resolve();
      }
    }),
  );
  const failed = ended.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
  if (copied.bytes === 0) return { copy: { why: 'the tables are empty' }, index: { why: 'the tables are empty' } };
  return { copy: copied.result, index: refused === null ? enough(built) : failure(context, refused) };
}

/** What several sessions did together, from the first beginning to the last end. */
class Measured {
  bytes = 0;
  #began: number | null = null;
  #ended = 0;

  begin(): void {
    this.#began ??= performance.now();
  }

  get elapsed(): number {
    return performance.now() - (this.#began ?? performance.now());
  }

  add(bytes: number): void {
    this.bytes += bytes;
    this.#ended = performance.now();
  }

  get result(): { readonly bytes: number; readonly seconds: number } {
    return { bytes: this.bytes, seconds: (this.#ended - (this.#began ?? this.#ended)) / 1000 };
  }
}

function enough(built: Measured): Probed {
  if (built.bytes >= least) return built.result;
  return { why: 'the rows of the probe have less than 1 MB of btree indexes on whole columns' };
}

/** By the names of the output; without those over a column that is not put out, or that is text on trial alone. */
function indexesOf(
  { source, projection, output }: TablePlan,
  btrees: Extent['btrees'],
): readonly (readonly string[])[] {
  const own = new Set(output.columns.filter(({ type }) => type < firstUserOid).map(({ name }) => name));
  const names = (btrees?.get(source.oid) ?? []).map((columns) =>
    columns.map((from) => projection.columns.find((column) => column.from === from)?.name),
  );
  return names.filter((columns): columns is string[] => columns.every((name) => name !== undefined && own.has(name)));
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
