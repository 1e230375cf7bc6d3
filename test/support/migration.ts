import assert from 'node:assert/strict';
import { type CliResult, CliProcess, cli, pipelineFile } from './cli.ts';
import { type TestDatabase, type TestServer, database } from './servers.ts';

export interface MigrationInput {
  readonly from: TestServer;
  readonly to: TestServer;
  /** YAML lines below `source:` and below the sink, two and four spaces in. */
  readonly source?: string;
  readonly sink?: string;
  /** YAML lines at the top level. */
  readonly more?: string;
  /** Databases that are there already. */
  readonly databases?: { readonly source: TestDatabase; readonly target: TestDatabase };
  /** Instead of the superuser's URLs. */
  readonly sourceUrl?: (database: string) => string;
  readonly targetUrl?: (database: string) => string;
}

/** Two databases and the pipeline file between them, run by the real command. */
export interface Migration {
  readonly source: TestDatabase;
  readonly target: TestDatabase;
  readonly file: string;
  /** Runs a verb to its end. */
  verb(...args: readonly string[]): Promise<CliResult>;
  /** `run --stop-at now`, which must end with 0. */
  run(): Promise<CliResult>;
  start(...args: readonly string[]): CliProcess;
}

export async function migration(input: MigrationInput): Promise<Migration> {
  const source = input.databases?.source ?? (await database(input.from, 'src'));
  const target = input.databases?.target ?? (await database(input.to, 'dst'));
  const file = await pipelineFile(
    [
      `pipeline: ${source.name}`,
      'source:',
      '  plugin: postgres',
      `  url: ${input.sourceUrl?.(source.name) ?? source.url}`,
      input.source,
      'sinks:',
      '  - plugin: postgres',
      `    url: ${input.targetUrl?.(target.name) ?? target.url}`,
      input.sink,
      input.more,
    ]
      .filter((line) => line !== undefined)
      .join('\n'),
  );
  const verb = (...args: readonly string[]) => cli([args[0]!, file, ...args.slice(1)]);
  return {
    source,
    target,
    file,
    verb,
    run: async () => {
      const result = await verb('run', '--stop-at', 'now', '--log', 'json');
      assert.equal(result.code, 0, result.stderr);
      return result;
    },
    start: (...args) => new CliProcess(['run', file, '--log', 'json', ...args]),
  };
}

/** Log lines of one event. */
export function eventsOf(result: { readonly stdout: string }, event: string): Record<string, unknown>[] {
  return result.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line['event'] === event);
}

/** Count and order-independent hash of each table's own rows: equal iff the rows are the same multiset. */
export async function hashes(db: TestDatabase, tables: readonly string[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const table of tables) {
    const [row] = await db.query<{ n: string; h: string }>(
      `SET extra_float_digits = 3; SET TimeZone = 'UTC'; SET bytea_output = 'hex';
       SELECT count(*)::text AS n, coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint), 0)::text AS h FROM ONLY ${table} t`,
    );
    found[table] = `${row?.n} rows, ${row?.h}`;
  }
  return found;
}
