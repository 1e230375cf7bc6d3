import type pg from 'pg';
import { type ReadOptions, readManifest } from './read.ts';
import type { Manifest } from './types.ts';

/** On a connection of core/postgres/connect.ts that is not in a transaction. */
export async function readManifestOf(client: pg.Client, options: ReadOptions = {}): Promise<Manifest> {
  const query = async (sql: string): Promise<readonly (readonly Record<string, string | null>[])[]> => {
    const results = (await client.query(sql)) as unknown as pg.QueryResult | pg.QueryResult[];
    return (Array.isArray(results) ? results : [results]).map(({ rows }) => rows as Record<string, string | null>[]);
  };
  try {
    const [version] = await query('SHOW server_version_num');
    return await readManifest(query, Number(version![0]!['server_version_num']), options);
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}
