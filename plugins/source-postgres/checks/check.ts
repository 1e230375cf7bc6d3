import type pg from 'pg';
import type { CheckReport } from '../../../core/api/check.ts';
import type { SourceCatalog } from '../../../core/api/source.ts';
import type { PostgresSourceOptions } from '../options.ts';
import type { SourceAccess } from '../session.ts';

/** The input of a check, which only reads. */
export interface CheckInput {
  readonly client: pg.Client;
  readonly access: SourceAccess;
  readonly options: PostgresSourceOptions;
  readonly catalog: SourceCatalog;
  readonly report: CheckReport;
}
export type Check = (input: CheckInput) => Promise<void>;

/** One setting or value of the server. */
export async function value(client: pg.Client, sql: string): Promise<string> {
  const { rows } = await client.query<string[]>({ text: sql, rowMode: 'array' } as unknown as pg.QueryArrayConfig);
  return rows[0]?.[0] ?? '';
}
