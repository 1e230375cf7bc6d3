import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { compilePattern } from '../../api/pattern.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import { relationName } from '../../postgres/relation.ts';
import type { SourceCatalog } from '../../api/source.ts';
import { pause } from '../../base/backoff.ts';
import { runtimeError } from '../../pipeline/errors.ts';
import { knownNames, knownTables, pendingTables, requestCopy } from '../../pipeline/state/known-tables.ts';
import { withPublicationGuard } from '../../pipeline/open/publication-guard.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import { forgottenShapes } from '../../pipeline/ddl/shape-history.ts';
import { planSinks } from '../../pipeline/open/planning.ts';
import { rereadJobs } from '../../operations/resync/ask-reread.ts';
import { type RereadJob, RereadQueue } from '../../operations/resync/reread-queue.ts';
import { verifyFirst } from '../../operations/verify/verify-first.ts';
import { copyPending } from '../../operations/resync/resync.ts';
import { checkFile } from '../../operations/run/run.ts';
import { noteFile } from '../../operations/run/take-up-file.ts';
import { encodeControl } from '../../pipeline/control/control-message.ts';
import { watchSource } from '../../operations/run/watch-source.ts';
import { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import { verifyError } from '../../operations/verify/errors.ts';
import type { Cli } from '../cli.ts';
import { openLocked } from '../open-locked.ts';
import { readCatalog } from '../../api/source.ts';
import { needed } from '../../pipeline/open/capability.ts';

/**
 * `pgsluice resync FILE [TABLE…]`: an active run copies the tables while it goes on with the others; without one they
 * are copied in this process.
 */
export function register(program: Command, cli: Cli): void {
  program
    .command('resync')
    .description('copy tables again in a pipeline that exists; without TABLE: those that were added to the file')
    .argument('<file>', 'pipeline file')
    .argument('[table...]', "globs on the source's schema.table")
    .option('--where <sql>', 'only rows for which this is true, read beside the running stream (Kafka sinks)')
    .option(
      '--verify-first',
      'compare first, and copy again only what differs; after a failover with a new slot, and all tables',
    )
    .action((file: string, patterns: readonly string[], { where, verifyFirst: compares }: Flags) =>
      cli.withSignals((signal) => {
        if (where !== undefined) return rereadRows(cli, { file, patterns, where }, signal);
        return compares === true ? resyncDiffering(cli, file, patterns, signal) : resync(cli, file, patterns, signal);
      }),
    );
}

interface Flags {
  readonly where?: string;
  readonly verifyFirst?: boolean;
}

/** Tables that agree are left alone. No run may be active, as its stream would go on while rows are replaced. */
async function resyncDiffering(
  cli: Cli,
  file: string,
  patterns: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const say = (line: string) => void cli.stdout.write(`${line}\n`);
  await using opened = await openLocked(cli, { file, logTo: 'stderr', signal });
  const { pipeline } = opened;
  const { context, instances, config } = pipeline;
  const { state, source } = context;
  if (state.head?.phase !== 'snapshot' || config.snapshot.mode !== 'initial') requireStream(state);
  if (!opened.locked) throw verifyError('PGS7006', 'a run of this pipeline is under way in another process');
  checkFile(state, config);
  const catalog = knownTables(state, await readCatalog(source, signal));
  const planning = await planSinks(instances.sinks, catalog, true, signal);
  const only = patterns.length === 0 ? null : chosen(catalog, patterns, state);
  const { again, tables, copy } = await verifyFirst(pipeline, planning, only);
  if (again !== null)
    say(`a new slot begins at ${formatLsn(again)}; what was committed before it was compared as a whole`);
  for (const { table, sink, comparison, repaired } of tables) {
    if (comparison?.equal === true) say(`${table} agrees in ${sink}`);
    else if (repaired > 0) say(`${table}: ${repaired} rows copied again into ${sink}`);
  }
  if (copy.length > 0) {
    const end = await copyHere(pipeline, { tables: copy, catalog });
    const names = instances.sinks.map(({ name }) => name);
    for (const table of copy) {
      const rows = names.map((sink) => `${end.table(sink, table)?.rows ?? 0n} rows into ${sink}`).join(', ');
      say(`copied ${table}: ${rows}`);
    }
  }
  say(`go on with: pgsluice run ${file}`);
}

interface RowsWanted {
  readonly file: string;
  readonly patterns: readonly string[];
  readonly where: string;
}

/**
 * Copies some rows of tables again, beside the stream of a run; without a run the request is noted for the next one.
 */
async function rereadRows(cli: Cli, { file, patterns, where }: RowsWanted, signal: AbortSignal): Promise<void> {
  const say = (line: string) => void cli.stdout.write(`${line}\n`);
  await using opened = await openLocked(cli, { file, logTo: 'stderr', signal });
  const { context, instances, config } = opened.pipeline;
  const { state, source } = context;
  requireStream(state);
  checkFile(state, config);
  if (patterns.length === 0) {
    throw runtimeError('PGS5071', '--where needs the tables whose rows are wanted', {
      remedy: `pgsluice resync ${file} TABLE --where SQL`,
    });
  }
  const catalog = knownTables(state, await readCatalog(source, signal));
  const tables = new Set(chosen(catalog, patterns, state));
  const planning = await planSinks(instances.sinks, catalog, true, signal);
  const relations = catalog.tables.map(({ relation }) => relation).filter((each) => tables.has(relationName(each)));
  const jobs = await rereadJobs(planning.sinks, relations, where);
  if (opened.locked) {
    await new RereadQueue(state).add(jobs);
    for (const { table } of jobs) say(`the next run reads rows of ${table} again: pgsluice run ${file}`);
    return;
  }
  const control = needed(source, 'control', 'resync beside a run');
  for (const { id, table, where: asked } of jobs)
    await control.emit(encodeControl(config.pipeline, { kind: 'reread', id, table, where: asked }), signal);
  for (const job of jobs) say(`read ${await rereadEnd(opened.pipeline, job)} rows of ${job.table} again`);
}

/** Waits until every sink has the rows durably. */
async function rereadEnd({ context, instances }: OpenPipeline, { id, table }: RereadJob): Promise<number> {
  for (const until = Date.now() + patience; ; ) {
    await pause(300, context.stop);
    const state = await PipelineState.load(instances.store);
    const queue = new RereadQueue(state);
    const end = queue.end(id);
    if (end !== null) {
      if (end.error === null) return end.rows;
      throw runtimeError('PGS5070', end.error, { where: { table } });
    }
    if (queue.jobs.length === 0 && Date.now() > until)
      throw runtimeError('PGS6010', `the run did not come to the request in ${patience / 1000} s`);
    if (hasEnded(state)) throw verifyError('PGS7011', 'the run ended before the rows were read; the next one goes on');
  }
}

function requireStream(state: PipelineState): void {
  if (state.head?.phase === 'stream') return;
  if (state.head === null)
    throw verifyError('PGS7004', 'the pipeline has not started', {
      remedy: 'Nothing is copied yet: pgsluice run FILE',
    });
  throw verifyError('PGS7004', `the pipeline is in phase ${state.head.phase}`, {
    remedy: 'Only a pipeline whose first copy is complete, and that is not cut over, can copy tables again.',
  });
}

async function resync(cli: Cli, file: string, patterns: readonly string[], signal: AbortSignal): Promise<void> {
  const say = (line: string) => void cli.stdout.write(`${line}\n`);
  await using opened = await openLocked(cli, { file, logTo: 'stderr', signal });
  const { pipeline } = opened;
  const { context, instances, config } = pipeline;
  const { state } = context;
  requireStream(state);
  checkFile(state, config);
  const catalog = await readCatalog(context.source, signal);
  const tables = chosen(catalog, patterns, state);
  if (tables.length === 0) {
    say(
      `the file chooses no table that the pipeline does not have; name those to copy again: pgsluice resync ${file} TABLE…`,
    );
    return;
  }
  // Planned with these tables before anything is noted, so that tables that cannot be planned are not half added.
  const sinks = instances.sinks.map(({ name }) => name);
  await planSinks(instances.sinks, catalog, true, signal);
  const end = opened.locked ? await copyHere(pipeline, { tables, catalog }) : await copyThere(pipeline, tables, say);
  if (opened.locked && patterns.length === 0) await noteFile(pipeline);
  for (const table of tables) {
    const rows = sinks.map((sink) => `${end.table(sink, table)?.rows ?? 0n} rows into ${sink}`).join(', ');
    say(`copied ${table}: ${rows}`);
  }
  if (opened.locked) say(`go on with: pgsluice run ${file}`);
}

interface Asked {
  readonly tables: readonly string[];
  readonly catalog: SourceCatalog;
}

/** No run is active: the tables are copied in this process, and the next run goes on with them. */
async function copyHere({ context, instances, config }: OpenPipeline, asked: Asked): Promise<PipelineState> {
  const { state } = context;
  await requestCopy(
    state,
    asked.tables,
    instances.sinks.map(({ name }) => name),
    ...forgottenShapes(state, asked.tables),
  );
  const known = knownTables(state, asked.catalog);
  await using watching = watchSource(context, { lookEvery: 2000, logEvery: 10_000 });
  void watching;
  const added = config.ddl === 'follow';
  await withPublicationGuard(context, { added }, (guarded) =>
    copyPending(guarded, { config, instances, catalog: known }),
  );
  return state;
}

/** How long the active run may take to reach the request in the stream, in milliseconds. */
const patience = 60_000;

/**
 * Asks the active run, through the source's WAL, to copy the tables while it goes on with the others; waits until they
 * are copied.
 */
async function copyThere(
  { context, instances, config }: OpenPipeline,
  tables: readonly string[],
  say: (line: string) => void,
): Promise<PipelineState> {
  const id = randomUUID();
  const until = Date.now() + patience;
  const message = { kind: 'barrier', id, after: 'reload', copy: tables, until } as const;
  await needed(context.source, 'control', 'resync beside a run').emit(
    encodeControl(config.pipeline, message),
    context.stop,
  );
  for (let asked = false; ; ) {
    await pause(300, context.stop);
    const state = await PipelineState.load(instances.store);
    const barrier = state.get('barrier');
    if (!asked && barrier?.id === id) {
      asked = true;
      say(`the run copies ${tables.join(', ')} and goes on with the others; Ctrl-C here does not stop it`);
    }
    if (!asked && Date.now() > until)
      throw runtimeError('PGS6010', `the run did not come to the request in ${patience / 1000} s`);
    if (asked && pendingTables(state).size === 0) return state;
    if (asked && hasEnded(state)) throw verifyError('PGS7011', 'the run ended before the tables were copied');
  }
}

/** For longer than a run takes to restart. */
function hasEnded(state: PipelineState): boolean {
  const status = state.get('status');
  return status?.ended === true && Date.now() - (status.at ?? 0) > 15_000;
}

/** Tables that an earlier, killed resync left uncopied belong to it, too. */
function chosen(catalog: SourceCatalog, patterns: readonly string[], state: PipelineState): readonly string[] {
  const names = catalog.tables.map(({ relation }) => relationName(relation));
  const pending = names.filter((name) => pendingTables(state).has(name));
  if (patterns.length === 0) {
    const known = knownNames(state) ?? new Set();
    return [...new Set([...pending, ...names.filter((name) => !known.has(name))])];
  }
  const found = new Set(pending);
  for (const pattern of patterns) {
    const matches = compilePattern(pattern);
    const hits = catalog.tables
      .filter(({ relation }) => matches(relation))
      .map(({ relation }) => relationName(relation));
    if (hits.length === 0) throw verifyError('PGS7008', `no table that the file chooses matches ${pattern}`);
    for (const hit of hits) found.add(hit);
  }
  return [...found];
}
