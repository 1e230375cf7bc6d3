import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { LoadResult } from '../../core/api/sink.ts';
import type { SnapshotSession } from '../../core/api/snapshot.ts';
import type { PostgresSource } from '../../plugins/source-postgres/source.ts';
import type { TablePlan } from '../../core/api/plan.ts';
import { type PlanStep, planTables } from '../../core/pipeline/plan/planner.ts';
import { type Asked, withDefaults } from '../../core/base/options.ts';
import { PostgresSink } from '../../plugins/sink-postgres/sink.ts';
import { type PostgresSinkOptions, postgresSinkOptions } from '../../plugins/sink-postgres/options.ts';
import { sinkPostgres } from '../../plugins/sink-postgres/plugin.ts';
import { calm, keepingLog, postgresSource, sourceContext } from './source-context.ts';
import { readCatalog } from '../../core/api/source.ts';

/** A copy by hand, source to sink without the runtime: the bulk plane alone. */
export interface CopyInput {
  readonly source: string;
  readonly target: Asked<PostgresSinkOptions, 'url'>;
  readonly steps?: readonly PlanStep[];
  readonly exclude?: readonly string[];
  readonly chunkBytes?: number;
  readonly pipeline?: string;
  /** The sink is told how large the tables are, as the runtime does; else it takes them for large. */
  readonly sizes?: boolean;
}

export interface CopyRun extends AsyncDisposable {
  readonly source: PostgresSource;
  readonly sink: PostgresSink;
  readonly plans: readonly TablePlan[];
  readonly log: ReturnType<typeof keepingLog>;
  prepare(): Promise<void>;
  /** Copies all tables and builds their indexes. */
  copy(session: SnapshotSession): Promise<LoadResult>;
}

export async function newSink(
  options: Asked<PostgresSinkOptions, 'url'>,
  pipeline: string,
  log = keepingLog(),
): Promise<PostgresSink> {
  const sink = await sinkPostgres.create(withDefaults(postgresSinkOptions, options), {
    ...sourceContext(pipeline, log),
    name: 'target',
  });
  assert.ok(sink instanceof PostgresSink);
  return sink;
}

export async function openCopy(input: CopyInput): Promise<CopyRun> {
  const log = keepingLog();
  // Slots are the server's, not the database's: files that run side by side need names of their own.
  const pipeline = input.pipeline ?? `copy_${randomBytes(4).toString('hex')}`;
  const exclude = input.exclude === undefined ? {} : { tables: { exclude: input.exclude } };
  const source = postgresSource({ url: input.source, ...exclude } as never, pipeline, log);
  const sink = await newSink(input.target, pipeline, log);
  try {
    return await planCopy(input, { source, sink, log });
  } catch (error) {
    await sink[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
    throw error;
  }
}

async function planCopy(input: CopyInput, parts: Pick<CopyRun, 'source' | 'sink' | 'log'>): Promise<CopyRun> {
  const { source, sink, log } = parts;
  const catalog = await readCatalog(source, calm);
  const result = planTables({
    tables: catalog.tables,
    parents: catalog.parents ?? [],
    steps: input.steps ?? [],
    sink: { name: 'target', tables: null, traits: await sink.traits(calm) },
    sourceVersion: catalog.identity.version,
    streaming: false,
  });
  if (result.problems.length > 0) throw result.problems[0]!;
  const { plans, parents } = result;
  const prepare = (): Promise<void> =>
    sink.snapshot.prepare(
      {
        plans,
        parents,
        excluded: catalog.excluded,
        dumpSchema: () => source.schema.dump(null, calm),
        sourceVersion: catalog.identity.version,
        ...(input.sizes === true && { sizes: new Map(catalog.tables.map((t) => [t.relation.oid, t.bytes])) }),
      },
      calm,
    );
  return {
    source,
    sink,
    plans,
    log,
    prepare,
    copy: async (session) => {
      let rows = 0n;
      let bytes = 0;
      for (const plan of plans) {
        const done = await copyTable(sink, session, plan, input.chunkBytes ?? 1 << 28);
        rows += done.rows;
        bytes += done.bytes;
      }
      return { rows, bytes };
    },
    [Symbol.asyncDispose]: async () => {
      await sink[Symbol.asyncDispose]();
      await source.control.cleanup(calm);
      await source[Symbol.asyncDispose]();
    },
  };
}

export async function copyTable(
  sink: PostgresSink,
  session: SnapshotSession,
  plan: TablePlan,
  chunkBytes: number,
): Promise<LoadResult> {
  const chunks = await session.chunks(plan.source, chunkBytes);
  await sink.snapshot.begin(plan, chunks.length, calm);
  let rows = 0n;
  let bytes = 0;
  for (const chunk of chunks) {
    const copy =
      plan.route.kind === 'raw'
        ? await session.openRaw(chunk, plan.query, plan.route.format, calm)
        : await session.openRows(chunk, plan.query, calm);
    const done = await sink.snapshot.load(plan, copy, calm);
    rows += done.rows;
    bytes += done.bytes;
  }
  await sink.snapshot.loaded(plan, calm);
  await sink.snapshot.finishTable(plan, session.exactAt, calm);
  return { rows, bytes };
}

/** The whole way: slot and snapshot, schema, rows, indexes, foreign keys. */
export async function copyDatabase(input: CopyInput): Promise<CopyRun> {
  const run = await openCopy(input);
  try {
    const session = await run.source.snapshot.open({ kind: 'new' }, calm);
    try {
      await run.prepare();
      await run.copy(session);
    } finally {
      await session[Symbol.asyncDispose]();
    }
    await run.sink.snapshot.finish(run.plans, calm);
    return run;
  } catch (error) {
    await run[Symbol.asyncDispose]();
    throw error;
  }
}
