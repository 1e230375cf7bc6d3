import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { parseLsn } from '../../../core/postgres/lsn.ts';
import type { LocalServer } from '../../../core/servers/local-server.ts';
import { CliProcess, type CliResult } from '../cli.ts';
import { Proxy } from '../proxy.ts';
import { compareSides } from './compare.ts';
import { chooseFaults, type Fault, type Ground } from './faults.ts';
import { Random } from './random.ts';
import { type SampledState, Sampler } from './sampler.ts';
import { codeOf, Supervisor } from './supervisor.ts';
import { initialSql, schemaSql, triggerSql } from './tables.ts';
import { type Variant, variantOf } from './variants.ts';
import { Writers } from './writers.ts';

export interface Outcome {
  readonly seed: number;
  readonly variant: string;
  readonly findings: readonly string[];
  /** What happened, for a report. */
  readonly story: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
  /** Everything the runs printed. */
  readonly logs: string;
}

export interface ScenarioOptions {
  readonly seed: number;
  readonly source: LocalServer;
  readonly target: LocalServer;
  /** Milliseconds of faults. */
  readonly duration: number;
  readonly faults: number;
}

/** Names are of the seed, so two seeds on one pair of servers do not meet. */
function namesOf(seed: number) {
  return {
    pipeline: `chaos_${seed}`,
    sourceDatabase: `src_${seed}`,
    targetDatabase: `dst_${seed}`,
    role: `mover_${seed}`,
  };
}

/** One seed: databases, writers, faults, and at the end the comparison. */
export async function runSeed(options: ScenarioOptions): Promise<Outcome> {
  const { seed, source, target } = options;
  const random = new Random(seed);
  const variant = variantOf(seed);
  const names = namesOf(seed);
  await using made = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), `pgsluice-chaos-${seed}-`));
  made.defer(() => rm(directory, { recursive: true, force: true }));
  made.defer(() => dropAll(options));
  await createDatabases(options, variant, random);
  const toSource = made.use(await Proxy.start(source.port));
  const toTarget = made.use(await Proxy.start(target.port));
  const targetUrl = variant.restricted
    ? target.url(names.targetDatabase, names.role, 'mover')
    : target.url(names.targetDatabase);
  const file = join(directory, 'pipeline.yaml');
  const yaml = pipelineYaml(
    { variant, random, pipeline: names.pipeline },
    toSource.through(source.url(names.sourceDatabase)),
    toTarget.through(targetUrl),
  );
  await writeFile(file, yaml);
  const writers = new Writers(source.url(names.sourceDatabase));
  const supervisor = new Supervisor(file, random.fork());
  const sampler = new Sampler({
    sourceUrl: source.url(names.sourceDatabase),
    targetUrl: target.url(names.targetDatabase),
    slot: `pgsluice_${names.pipeline}`,
    witnessTable: 'public.witness',
    writers,
    state: stateReader(names.pipeline, variant.checkpointFile ? join(directory, 'state.json') : null),
  });
  const faults = chooseFaults(random, options.faults);
  const ground: Ground = {
    source,
    target,
    toSource,
    toTarget,
    supervisor,
    writers,
    sourceDatabase: names.sourceDatabase,
    targetDatabase: names.targetDatabase,
  };
  writers.start(random.int(3, 5), random.fork(), 15);
  sampler.start();
  supervisor.start();
  const story: string[] = [`variant ${variant.name}, ${source.major} to ${target.major}`];
  // Half of the seeds spend all their faults on the stream; the others begin at the very start. Both must get to it.
  const early = random.chance(0.5) ? 0 : Math.ceil(faults.length / 2);
  const time = early === 0 ? options.duration : options.duration / 2;
  if (early > 0) await strikeAll(ground, faults.slice(0, early), { random, duration: time, story });
  await supervisor.event('stream-started', 1, 45_000);
  story.push(`${new Date().toISOString()} streaming`);
  await strikeAll(ground, faults.slice(early), { random, duration: time, story });
  await writers.stop();
  await supervisor.stop(random.pick(['SIGKILL', 'SIGTERM']));
  const finish = await finishRun(file, story);
  await sampler.stop();
  if (finish.done) {
    // What a run that ended calls durable must outlive a crash of the target.
    await target.restart('immediate');
    await sampler.last();
  }
  const findings = [...supervisor.findings(), ...sampler.findings, ...writers.refused.slice(0, 5), ...finish.findings];
  if (finish.done) findings.push(...(await lookAtTheEnd(options, variant, file)));
  return {
    seed,
    variant: variant.name,
    findings,
    story,
    figures: {
      transactions: writers.transactions,
      failed: writers.failures,
      runs: supervisor.records.length,
      samples: sampler.samples,
    },
    logs: [
      yaml,
      ...supervisor.records.map((r) => `${r.stdout}${r.stderr}-- ${r.by ?? ''} ${r.code}\n`),
      finish.log,
    ].join('\n'),
  };
}

async function strikeAll(
  ground: Ground,
  faults: readonly Fault[],
  { random, duration, story }: { random: Random; duration: number; story: string[] },
): Promise<void> {
  const start = Date.now();
  const moments = faults.map(() => random.next() * duration).sort((a, b) => a - b);
  for (const [i, fault] of faults.entries()) {
    await sleep(Math.max(0, start + moments[i]! - Date.now()));
    story.push(`${new Date().toISOString()} ${fault.name}`);
    await fault.strike(ground);
  }
  await sleep(Math.max(0, start + duration - Date.now()));
}

/** Without faults, `run --stop-at now` must get to its end; a lock of a backend that is just ending costs a try. */
async function finishRun(file: string, story: string[]): Promise<{ done: boolean; findings: string[]; log: string }> {
  const log: string[] = [];
  let last: CliResult | null = null;
  for (let tries = 0; tries < 5; tries++) {
    story.push(`${new Date().toISOString()} run --stop-at now`);
    last = await within(['run', file, '--stop-at', 'now', '--log', 'json', '--debug'], 120_000);
    log.push(`${last.stdout}${last.stderr}-- final ${last.code}\n`);
    if (last.code === 0) return { done: true, findings: [], log: log.join('') };
    const code = codeOf(last.stderr);
    if (code === null || !['PGS2122', 'PGS2153', 'PGS3110', 'PGS6050'].includes(code)) break;
  }
  const finding = `run --stop-at now ended with ${last?.code}: ${last?.stderr.slice(0, 1500)}`;
  return { done: false, findings: [finding], log: log.join('') };
}

async function within(args: readonly string[], ms: number): Promise<CliResult> {
  const child = new CliProcess(args);
  const timer = setTimeout(() => {
    child.stderr += `not ended after ${ms / 1000} s`;
    child.process.kill('SIGKILL');
  }, ms);
  const result = await child.ended;
  clearTimeout(timer);
  return result;
}

async function lookAtTheEnd(options: ScenarioOptions, variant: Variant, file: string): Promise<readonly string[]> {
  const { seed, source, target } = options;
  const { pipeline, sourceDatabase, targetDatabase } = namesOf(seed);
  const findings: string[] = [];
  const sides = [
    { server: source, database: sourceDatabase },
    { server: target, database: targetDatabase },
  ] as const;
  findings.push(...(await compareSides(sides[0], sides[1], variant.expectations)));
  const [at] = await source.query<{ now: string }>('SELECT pg_current_wal_lsn() AS now');
  const [position] = await target.query<{ lsn: string | null }>('SELECT lsn FROM pgsluice.position', targetDatabase);
  if (typeof position?.lsn === 'string' && parseLsn(position.lsn) > parseLsn(at!.now))
    findings.push(`the target is at ${position.lsn}, the source only at ${at!.now}`);
  const verify = await within(['verify', file], 60_000);
  if (verify.code !== 0)
    findings.push(`verify ended with ${verify.code}: ${verify.stdout.slice(-1500)}${verify.stderr}`);
  const cleanup = await within(['cleanup', file, '--yes'], 30_000);
  if (cleanup.code !== 0) findings.push(`cleanup ended with ${cleanup.code}: ${cleanup.stderr}`);
  const slots = await source.query(`SELECT FROM pg_replication_slots WHERE slot_name = 'pgsluice_${pipeline}'`);
  if (slots.length > 0) findings.push('cleanup left the slot');
  return findings;
}

async function createDatabases(
  { seed, source, target }: ScenarioOptions,
  variant: Variant,
  random: Random,
): Promise<void> {
  const { sourceDatabase, targetDatabase, role } = namesOf(seed);
  await source.query(`CREATE DATABASE ${sourceDatabase} TEMPLATE template0`);
  await target.query(`CREATE DATABASE ${targetDatabase} TEMPLATE template0`);
  // In half of the seeds even small transactions are sent before their commit.
  if (random.chance(0.5)) await source.query(`ALTER DATABASE ${sourceDatabase} SET logical_decoding_work_mem = '64kB'`);
  await source.query(schemaSql, sourceDatabase);
  // A trigger of the target that acts on what is applied would write the rows twice: it must not be there.
  if (!variant.restricted) await source.query(triggerSql, sourceDatabase);
  await source.query(initialSql({ bigRows: random.int(1000, 8000), toastRows: random.int(20, 60) }), sourceDatabase);
  if (!variant.existing) return;
  await target.query(`${schemaSql} ${variant.restricted ? '' : triggerSql}`, targetDatabase);
  if (!variant.restricted) return;
  await target.query(`CREATE ROLE ${role} LOGIN PASSWORD 'mover'; ALTER DATABASE ${targetDatabase} OWNER TO ${role};`);
  await target.query(
    `DO $$ DECLARE t regclass; BEGIN
       FOR t IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace IN ('public'::regnamespace, '"Odd ""S"'::regnamespace)
       LOOP EXECUTE format('ALTER TABLE %s OWNER TO ${role}', t); END LOOP; END $$;
     ALTER SCHEMA public OWNER TO ${role}; ALTER SCHEMA "Odd ""S" OWNER TO ${role};`,
    targetDatabase,
  );
}

/** Databases, slots and roles of the seed; whatever is still connected goes first. */
async function dropAll({ seed, source, target }: ScenarioOptions): Promise<void> {
  const { sourceDatabase, targetDatabase, role } = namesOf(seed);
  await source.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${sourceDatabase}'`);
  for (let tries = 0; tries < 50; tries++) {
    const left = await source.query(`SELECT FROM pg_replication_slots WHERE database = '${sourceDatabase}' AND active`);
    if (left.length === 0) break;
    await sleep(100);
  }
  await source.query(
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${sourceDatabase}'`,
  );
  await source.query(`DROP DATABASE IF EXISTS ${sourceDatabase} WITH (FORCE)`);
  await target.query(`DROP DATABASE IF EXISTS ${targetDatabase} WITH (FORCE)`);
  await target.query(`DROP ROLE IF EXISTS ${role}`);
}

function pipelineYaml(
  { variant, random, pipeline }: { variant: Variant; random: Random; pipeline: string },
  sourceUrl: string,
  targetUrl: string,
): string {
  const rate = random.chance(0.5) ? `limit: { rate: ${random.int(1, 6)}MB/s }\n` : '';
  const checkpoint = variant.checkpointFile ? 'checkpoint: { plugin: file, path: state.json }\n' : '';
  return `pipeline: ${pipeline}
source:
  plugin: postgres
  url: ${sourceUrl}
  streaming: ${random.chance(0.6)}
  snapshot: { workers: ${random.int(1, 4)}, chunk_size: ${random.pick(['256kB', '1MB', '256MB'])} }
${variant.transforms}sinks:
  - plugin: postgres
    url: ${targetUrl}
    schema: ${variant.existing ? 'existing' : 'create'}
    index_workers: ${random.int(1, 2)}
${checkpoint}${rate}`;
}

/** What the pipeline itself holds for confirmed, in its target or its file. */
function stateReader(pipeline: string, file: string | null): (target: pg.Client) => Promise<SampledState> {
  return async (target) => {
    const { rows } = await target.query<{ lsn: string | null }>('SELECT lsn FROM pgsluice.position');
    let entries: Record<string, unknown>;
    if (file === null) {
      const found = await target.query<{ key: string; value: unknown }>(
        `SELECT key, value FROM pgsluice.checkpoint WHERE pipeline = $1 AND key IN ('head', 'idle')`,
        [pipeline],
      );
      entries = Object.fromEntries(found.rows.map(({ key, value }) => [key, value]));
    } else entries = (JSON.parse(await readFile(file, 'utf8')) as { entries: Record<string, unknown> }).entries;
    const head = entries['head'] as { phase: string; handoff: string | null } | undefined;
    if (head === undefined || head.phase !== 'stream') return { noted: null };
    const idle = entries['idle'] as { at: string } | undefined;
    const notes = [rows[0]?.lsn, head.handoff, idle?.at].map((lsn) => (typeof lsn === 'string' ? parseLsn(lsn) : 0n));
    return { noted: notes.reduce((a, b) => (a > b ? a : b)) };
  };
}
