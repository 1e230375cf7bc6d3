import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChainDrive } from './chain-drive.ts';
import { codeIn, Drive } from './drive.ts';
import { compare, compareSequences, type Fault } from './judge.ts';
import { chainYaml, pipelineYaml } from './pipeline.ts';
import { schemaStatements } from './print.ts';
import type { Script, Step } from './script.ts';
import { Sessions } from './sessions.ts';
import { ask, drop, own, type Servers, type Side } from './sides.ts';
import { spoil } from './spoil.ts';

export interface Outcome {
  readonly faults: readonly Fault[];
  /** Everything that the product printed. */
  readonly log: string;
  readonly done: number;
  readonly failed: number;
  readonly runs: number;
  readonly ms: number;
}

let numbered = 0;

/** Runs a script on databases of its own and judges what came of it. */
export async function runScript(script: Script, servers: Servers): Promise<Outcome> {
  const started = performance.now();
  const number = `${script.seed}_${process.pid}_${++numbered}`;
  const [from, to] = await Promise.all([servers.get(script.from), servers.get(script.to)]);
  const side = (server: Side['server'], database: string): Side =>
    script.settings.owners ? { server, database, role: `owner_${database}` } : { server, database };
  const source = side(from, `fuzz_src_${number}`);
  const target = side(to, `fuzz_dst_${number}`);
  await using made = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), `pgsluice-fuzz-${script.seed}-`));
  made.defer(() => rm(directory, { recursive: true, force: true }));
  for (const [side, attributes] of [
    [source, 'REPLICATION'],
    [target, 'CREATEDB CREATEROLE'],
  ] as const) {
    if (side.role !== undefined) {
      await side.server.query(`CREATE ROLE ${side.role} LOGIN ${attributes} PASSWORD 'local-only'`);
      made.defer(async () => void (await side.server.query(`DROP ROLE ${side.role}`)));
    }
    await side.server.query(`CREATE DATABASE ${side.database} TEMPLATE template0`);
    made.defer(() => drop(side));
    if (side.role !== undefined) await own(side);
  }
  const drive = await driveOf(script, { directory, pipeline: `f_${number}`, source, target, servers });
  const sessions = new Sessions(source, script);
  made.defer(() => sessions.end());
  made.defer(() => drive.end());
  await create(script, source, target);
  await course({ script, drive, sessions, source, target });
  for (const text of sessions.refused) drive.fault('source', text);
  return {
    faults: drive.faults,
    log: drive.log.join('\n'),
    done: sessions.done,
    failed: sessions.failed,
    runs: drive.runs,
    ms: performance.now() - started,
  };
}

interface Place {
  readonly directory: string;
  readonly pipeline: string;
  readonly source: Side;
  readonly target: Side;
  readonly servers: Servers;
}

async function driveOf(script: Script, { directory, pipeline, source, target, servers }: Place): Promise<Drive> {
  const file = join(directory, 'pipeline.yaml');
  const { journal } = script.settings;
  if (journal === undefined) {
    const write = (run: number) => writeFile(file, pipelineYaml(script, pipeline, { source, target }, run));
    await write(0);
    return new Drive(file, script.settings, write);
  }
  const texts = chainYaml(script, { pipeline, broker: await servers.broker(), reader: file }, { source, target });
  const applier = join(directory, 'apply.yaml');
  await Promise.all([writeFile(file, texts.reader), writeFile(applier, texts.applier)]);
  return new ChainDrive({ reader: file, applier }, journal.appliers, async () => {});
}

async function create(script: Script, source: Side, target: Side): Promise<void> {
  const { smallMemory, existing } = script.settings;
  if (smallMemory)
    await source.server.query(`ALTER DATABASE ${source.database} SET logical_decoding_work_mem = '64kB'`);
  const sql = schemaStatements(script).join(';\n');
  await ask(source, [sql]);
  if (existing) await target.server.query(sql, target.database);
}

interface Scene {
  readonly script: Script;
  readonly drive: Drive;
  readonly sessions: Sessions;
  readonly source: Side;
  readonly target: Side;
}

async function course(scene: Scene): Promise<void> {
  const { script, drive, sessions } = scene;
  for (const step of script.steps) {
    if (!drive.well) return;
    if (script.settings.ranges !== undefined && drive.runs === 0 && (step.op === 'start' || step.op === 'catch up'))
      await inOrder(scene);
    await take(step, scene);
  }
  await sessions.end();
  if (!drive.well) return;
  await drive.catchUp();
  if (drive.well) await ending(scene);
}

/** Ranges are taken where rows lie in the order of the key, by the statistics. */
async function inOrder({ source, sessions }: Scene): Promise<void> {
  if (sessions.busy) await sessions.end();
  const [keys = []] = await ask(source, [
    `SELECT format('CLUSTER %s USING %I', i.indrelid::regclass, c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     JOIN pg_class t ON t.oid = i.indrelid AND t.relkind = 'r' AND t.relnamespace <> ALL (ARRAY['pg_catalog', 'pg_toast']::regnamespace[])
     WHERE i.indisprimary`,
  ]);
  await ask(source, [...keys.flat().map(String), 'ANALYZE']);
}

async function take(step: Step, { script, drive, sessions, source, target }: Scene): Promise<void> {
  switch (step.op) {
    case 'start':
      return drive.start();
    case 'streaming':
      // A slot waits for the transactions that are open.
      return sessions.busy ? drive.streaming(1500) : drive.streaming();
    case 'wait':
      return void (await sleep(step.ms));
    case 'kill':
      return drive.kill();
    case 'stop':
      if (sessions.busy) await sessions.end();
      return drive.stop();
    case 'catch up':
      if (drive.runs === 0 || sessions.locking || (sessions.busy && makesTables(script))) await sessions.end();
      return drive.catchUp();
    case 'cut': {
      const { server, database } = step.side === 'source' ? source : target;
      await server.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}' AND application_name ~ 'pgsluice'`,
      );
      return;
    }
    default:
      // Until its first copy is done, a target with `schema: existing` has to fit the source, and nobody here changes it.
      if (script.settings.existing && step.op === 'do' && step.statement.op === 'ddl' && !drive.streamed) return;
      return sessions.step(step);
  }
}

/** The slot that new tables are copied with waits for the transactions that are open. */
function makesTables({ steps }: Script): boolean {
  return steps.some((step) => step.op === 'do' && step.statement.op === 'ddl');
}

/** The source has no room for it: a name is taken, a kind of table has no such thing. */
async function refuses(source: Side, sql: string): Promise<boolean> {
  try {
    await ask(source, [sql]);
    return false;
  } catch {
    return true;
  }
}

/** Compares, then asks the product for its own verdict. */
async function ending({ script, drive, source, target }: Scene): Promise<void> {
  const differences = await compare(script, source, target);
  drive.faults.push(...differences);
  if (script.ending.verify || script.ending.spoil !== null || differences.length > 0)
    await verdict(drive, differences.length === 0, '');
  if (!drive.well) return;
  if (script.ending.spoil !== null) {
    const what = await spoil(target, script.ending.spoil);
    if (what === null) return;
    const found = await compare(script, source, target);
    if (found.length > 0) await verdict(drive, false, what);
  } else if (script.ending.cutover) await cutover({ script, drive, source, target });
}

async function verdict(drive: Drive, equal: boolean, what: string): Promise<void> {
  const { code, stdout, stderr } = await drive.command('verify');
  const said = `verify ended with ${code}: ${stdout.slice(0, 1500)}${stderr}`;
  if (code === 0 && !equal) drive.fault('verify:false agreement', `${what}\n${said}`);
  else if (code === 4 && equal) drive.fault('verify:false difference', said);
  else if (code !== 0 && code !== 4) drive.fault(`verify:${codeIn(stderr)}`, said);
}

async function cutover({ script, drive, source, target }: Omit<Scene, 'sessions'>): Promise<void> {
  const { late } = script.ending;
  if (late !== null && (await refuses(source, late))) return;
  if (late !== null) {
    const { code, stdout, stderr } = await drive.command('cutover', '--wait', '60s');
    // What is followed is there by now.
    const followed =
      code === 0 && script.settings.ddl === 'follow' && (await compare(script, source, target)).length === 0;
    if (followed) return;
    if (code !== 4 || /^GO\b/m.test(stdout))
      return drive.fault('cutover:late', `${late}\ncutover ended with ${code}: ${stdout.slice(-1500)}${stderr}`);
    await ask(target, [late]);
  }
  const { code, stdout, stderr } = await drive.command('cutover', '--wait', '60s');
  const said = `cutover ended with ${code}: ${stdout.slice(-1500)}${stderr}`;
  if (code !== 0 || !stdout.includes('GO')) return drive.fault(`cutover:${codeIn(stderr)}`, said);
  drive.faults.push(...(await compare(script, source, target)));
  if (script.transforms.length === 0) drive.faults.push(...(await compareSequences(source, target)));
  const slots = await source.server.query(`SELECT FROM pg_replication_slots WHERE database = '${source.database}'`);
  if (slots.length > 0) drive.fault('cutover:slot', 'the slot is still there after GO');
}
