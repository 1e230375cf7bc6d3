import { shopRows, shopSchema } from '../../core/cli/demo/shop-sql.ts';
import { Writers } from '../../core/cli/demo/writers.ts';
import { pipelineFile } from './cli.ts';
import { database, server, type TestDatabase, type TestServer } from './servers.ts';

/** The demo's shop on a source, an empty target, and the file of a pipeline between them. */
export interface Shop {
  readonly source: TestDatabase;
  readonly target: TestDatabase;
  readonly name: string;
  readonly file: string;
  /** Writers that are not started yet. */
  writers(): Writers;
}

export interface ShopOptions {
  /** A major, or a server of the test's own. */
  readonly from: number | TestServer;
  readonly to: number;
  /** 1 is about a million rows. */
  readonly scale: number;
  /** Lines of YAML for `transforms:`, at no indentation. */
  readonly transforms?: string;
}

export async function shop(options: ShopOptions): Promise<Shop> {
  const source = await database(typeof options.from === 'number' ? await server(options.from) : options.from, 'shop');
  const target = await database(await server(options.to), 'moved');
  for (const sql of [...shopSchema, ...shopRows(options.scale)]) await source.query(sql);
  const transforms = options.transforms === undefined ? '' : `transforms:\n${options.transforms}`;
  const file = await pipelineFile(`
pipeline: ${source.name}
source:
  plugin: postgres
  url: ${source.url}
${transforms}
sinks:
  - plugin: postgres
    url: ${target.url}
`);
  const size = {
    customers: Math.max(10, Math.round(60_000 * options.scale)),
    products: Math.max(10, Math.round(2_000 * options.scale)),
  };
  return { source, target, name: source.name, file, writers: () => new Writers(source.url, size, 4) };
}

/** Slots and publications that are left in a database. */
export async function leftovers(db: TestDatabase): Promise<readonly string[]> {
  const rows = await db.query<{ name: string }>(
    `SELECT 'slot ' || slot_name AS name FROM pg_replication_slots WHERE database = current_database()
     UNION ALL SELECT 'publication ' || pubname FROM pg_publication ORDER BY 1`,
  );
  return rows.map((row) => row.name);
}
