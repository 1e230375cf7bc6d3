import type { LocalServer } from '../../core/servers/local-server.ts';

/** Count and two order-independent 64-bit sums over every row, by table. */
export async function digestOf(server: LocalServer, database: string, tables: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const table of tables) {
    const half = (at: number) => `coalesce(sum(('x' || substr(h, ${at}, 16))::bit(64)::bigint::numeric), 0)`;
    const [row] = await server.query<{ line: string }>(
      `SELECT concat_ws(' ', count(*), ${half(1)}, ${half(17)}) AS line FROM (SELECT md5(t::text) AS h FROM ${table} t) s`,
      database,
    );
    lines.push(`${table} ${row!.line}`);
  }
  return lines.join('\n');
}
