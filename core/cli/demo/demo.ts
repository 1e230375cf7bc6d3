import { join } from 'node:path';
import { formatBytes, formatSeconds } from '../../base/format.ts';
import { LocalServer } from '../../servers/local-server.ts';
import { findBinaries, installHint } from '../../servers/binaries.ts';
import { cliError } from '../errors.ts';
import { packageRoot } from '../package-root.ts';
import { Child, type LogLine, parseLine } from './child.ts';
import { shopRows, shopSchema } from './shop-sql.ts';
import { Writers } from './writers.ts';

export interface DemoOptions {
  readonly say: (line: string) => void;
  readonly keep: boolean;
  /** 1: about a million rows. */
  readonly scale: number;
  readonly signal: AbortSignal;
}

/** Whether both sides agreed at the end. */
export type DemoResult = 'agreed' | 'differed';

interface Stage {
  readonly options: DemoOptions;
  readonly source: LocalServer;
  readonly target: LocalServer;
  readonly env: Readonly<Record<string, string>>;
  readonly file: string;
  readonly say: (line: string) => void;
}

const database = 'shop';

/** The whole demo on this machine: two servers, a shop with live writes, copy, catch-up, cutover, verification. */
export async function demo(options: DemoOptions): Promise<DemoResult> {
  const started = performance.now();
  if ((await findBinaries(null)) === null) {
    throw cliError('PGS1192', 'the demo starts two PostgreSQL servers and found no programs for them', {
      remedy: `${installHint}, then run it again.`,
    });
  }
  const say = (line: string) =>
    options.say(`${formatSeconds((performance.now() - started) / 1000).padStart(8)}  ${line}`);
  await using servers = new AsyncDisposableStack();
  const [from, to] = await majors();
  const settings = { fsync: 'off', max_wal_size: '4GB' };
  const source = await LocalServer.start({ major: from, settings });
  if (!options.keep) servers.use(source);
  const target = await LocalServer.start({ major: to, settings });
  if (!options.keep) servers.use(target);
  say(
    `source: PostgreSQL ${source.major} on port ${source.port}; target: PostgreSQL ${target.major} on port ${target.port}`,
  );
  await source.query(`CREATE DATABASE ${database}`);
  await target.query(`CREATE DATABASE ${database}`);
  const env = { SOURCE_URL: source.url(database), TARGET_URL: target.url(database) };
  const file = join(packageRoot(), 'configs', 'demo.yaml');
  const result = await play({ options, source, target, env, file, say });
  if (options.keep) {
    options.say(
      `\nthe servers stay up until you end this process:\n  SOURCE_URL=${env.SOURCE_URL}\n  TARGET_URL=${env.TARGET_URL}`,
    );
  }
  return result;
}

/** Two different majors if both are installed: most migrations are upgrades, too. */
async function majors(): Promise<readonly [number | null, number | null]> {
  const [old, recent] = [await findBinaries(15), await findBinaries(17)];
  return [old === null ? null : 15, recent === null ? null : 17];
}

async function play(stage: Stage): Promise<DemoResult> {
  const { options, say, source, env, file } = stage;
  for (const statement of [...shopSchema, ...shopRows(options.scale)]) {
    options.signal.throwIfAborted();
    await source.query(statement, database);
  }
  const rows = await countRows(source);
  say(`loaded the shop: ${rows.toLocaleString('en')} rows, ${formatBytes(await databaseSize(source))}`);
  const size = {
    customers: Math.max(10, Math.round(60_000 * options.scale)),
    products: Math.max(10, Math.round(2_000 * options.scale)),
  };
  await using writers = new Writers(source.url(database), size, 4);
  writers.start(4);
  say('4 writers insert, update and delete from now on');
  const watch = new RunWatch(say);
  const run = new Child(['run', file, '--log', 'json'], env, (line) => watch.see(parseLine(line)));
  options.signal.addEventListener('abort', () => run.kill(), { once: true });
  await Promise.race([watch.caughtUp, run.ended.then((code) => failed('run', code, run))]);
  say(`caught up while ${writers.transactions.toLocaleString('en')} transactions were written; the run follows`);
  return switchOver(stage, writers, run);
}

/** The writers stop only when the cutover says that it is ready; the clock runs from then until GO. */
async function switchOver(stage: Stage, writers: Writers, run: Child): Promise<DemoResult> {
  const { say, env, file, target } = stage;
  say('pgsluice cutover: compares every row while the writers go on, takes over from the run, then asks them to stop');
  let stopped: Promise<number> | null = null;
  let seconds: number | null = null;
  const cut = new Child(['cutover', file], env, (line) => {
    say(`  ${line}`);
    if (line.startsWith('ready:')) stopped = writers.stop().then(() => performance.now());
    if (line.startsWith('GO')) void stopped?.then((at) => (seconds = (performance.now() - at) / 1000));
  });
  const code = await cut.ended;
  if (code === 4) return 'differed';
  if (code !== 0 || seconds === null) failed('cutover', code, cut);
  say(
    `writes had stopped for ${formatSeconds(seconds)}, after ${writers.transactions.toLocaleString('en')} transactions; from here they go to the target`,
  );
  const runCode = await run.ended;
  if (runCode !== 0) failed('run', runCode, run);
  say('every row once more, now that both sides stand still');
  if (!(await verified(stage))) return 'differed';
  say(
    `source and target agree: ${(await countRows(target)).toLocaleString('en')} rows in the target, bots left behind`,
  );
  return 'agreed';
}

async function verified({ say, env, file }: Stage): Promise<boolean> {
  const verify = new Child(['verify', file], env, (line) => line !== '' && say(`  ${line}`));
  const code = await verify.ended;
  if (code !== 0 && code !== 4) failed('verify', code, verify);
  if (code === 4) say('source and target DIFFER');
  return code === 0;
}

/** Reads the run's log lines, for what the demo prints. */
class RunWatch {
  readonly caughtUp: Promise<void>;
  #reached: () => void = () => {};
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
    this.caughtUp = new Promise((resolve) => (this.#reached = resolve));
  }

  see(line: LogLine | null): void {
    if (line === null) return;
    if (line.event === 'table-copied') this.#say(`  copied ${line['table']}: ${line['rows']} rows`);
    if (line.event === 'snapshot-finished')
      this.#say('all tables are copied, indexes and constraints built; catching up');
    if (line.event === 'caught-up') this.#reached();
  }
}

function failed(verb: string, code: number | null, child: Child): never {
  const last = child.stderr.split('\n').filter((line) => !line.startsWith('{'));
  throw cliError('PGS1193', `pgsluice ${verb} ended with ${code ?? 'a signal'}: ${last.join(' ')}`);
}

async function countRows(server: LocalServer): Promise<number> {
  const tables = await server.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname IN ('shop', 'crm')`,
    database,
  );
  const counts = tables.map(({ name }) => `(SELECT count(*) FROM ONLY ${name})`);
  const [row] = await server.query<{ n: string }>(`SELECT ${counts.join(' + ')} AS n`, database);
  return Number(row?.n ?? 0);
}

async function databaseSize(server: LocalServer): Promise<number> {
  const [row] = await server.query<{ n: string }>('SELECT pg_database_size(current_database()) AS n', database);
  return Number(row?.n ?? 0);
}
