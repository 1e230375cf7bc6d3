import assert from 'node:assert/strict';
import pg from 'pg';
import { type CliResult, CliProcess, cli, pipelineFile } from './cli.ts';
import { ownedBy, sourceOwner, targetOwner } from './owners.ts';
import { type TestDatabase, type TestServer, database, server } from './servers.ts';

export interface LiveOptions {
  readonly from?: number;
  readonly to?: number;
  /** A server of the test's own for the source, instead of `from`. */
  readonly on?: TestServer;
  /** Runs on the source before anything else. */
  readonly source: string;
  /** Neither side is used as a superuser, or the target is not; see owners.ts. */
  readonly owners?: boolean | 'target';
  /** Keys under `source:`, indented by two. */
  readonly sourceKeys?: string;
  /** Keys under the Postgres sink, indented by four. */
  readonly sinkKeys?: string;
  /** Keys of the file beside `pipeline`, `source` and `sinks`. */
  readonly yaml?: string;
}

/** Two databases and a pipeline file between them. */
export class Live {
  readonly source: TestDatabase;
  readonly target: TestDatabase;
  readonly file: string;

  constructor(source: TestDatabase, target: TestDatabase, file: string) {
    this.source = source;
    this.target = target;
    this.file = file;
  }

  start(env: Readonly<Record<string, string>> = {}): CliProcess {
    return new CliProcess(['run', this.file, '--log', 'json'], env);
  }

  /** Runs until the source's position of now is durable in the target, and expects that to work. */
  async settle(): Promise<CliResult> {
    const result = await this.toNow();
    assert.equal(result.code, 0, result.stderr);
    return result;
  }

  toNow(env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
    return cli(['run', this.file, '--stop-at', 'now', '--log', 'json'], env);
  }

  verb(...args: readonly string[]): Promise<CliResult> {
    const [verb, ...rest] = args as [string, ...string[]];
    return cli([verb, this.file, ...rest]);
  }

  /** Rows as text, in one order on every server. */
  async rows(of: 'source' | 'target', sql: string): Promise<readonly string[]> {
    const found = await this[of].query<{ row: string }>(
      `SELECT x::text AS row FROM (${sql}) x ORDER BY x::text COLLATE "C"`,
    );
    return found.map(({ row }) => row);
  }

  /** Rows of the two queries as text, in any order, are the same. Returns how many. */
  async same(onSource: string, onTarget: string, what = onTarget): Promise<number> {
    const rows = async (db: TestDatabase, sql: string) => {
      const found = await db.query<{ row: string }>(`SELECT to_jsonb(x)::text AS row FROM (${sql}) x ORDER BY 1`);
      return found.map(({ row }) => row);
    };
    const wanted = await rows(this.source, onSource);
    assert.deepEqual(await rows(this.target, onTarget), wanted, what);
    return wanted.length;
  }
}

let count = 0;

export async function live(options: LiveOptions): Promise<Live> {
  const databases = [
    await database(options.on ?? (await server(options.from ?? 17)), 'src'),
    await database(await server(options.to ?? 17), 'dst'),
  ] as const;
  const { owners = false } = options;
  const source = owners === true ? await ownedBy(databases[0], sourceOwner) : databases[0];
  const target = owners !== false ? await ownedBy(databases[1], targetOwner) : databases[1];
  await source.query(options.source);
  const file = await pipelineFile(`
pipeline: live_${source.name}_${++count}
source:
  plugin: postgres
  url: ${source.url}
${options.sourceKeys ?? ''}
sinks:
  - plugin: postgres
    url: ${target.url}
${options.sinkKeys ?? ''}
${options.yaml ?? ''}
`);
  return new Live(source, target, file);
}

/** A small generator of random numbers, so that a failing seed can be run again. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39) >>> 0;
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below;
  };
}

/** A connection that stays open; statements that fail for the rules of the source (unique keys) are rolled back. */
export async function openWriter(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return client;
}
