import type pg from 'pg';
import type { CopyTrial } from '../../../core/api/assessment.ts';
import type { TablePlan } from '../../../core/api/plan.ts';
import type { LoadResult } from '../../../core/api/sink.ts';
import type { RawCopy, RowCopy } from '../../../core/api/snapshot.ts';
import { firstUserOid } from '../../../core/postgres/oids.ts';
import { qualified, quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';
import type { Semaphore } from '../semaphore.ts';
import { copyIn } from './copy-in.ts';
import { encodeRows } from './copy-text.ts';
import { copyStatement, stopReading } from './load.ts';

/** The signal of a probe ends no statement of the server. */
const longestBuild = '30s';

/** A transaction that is rolled back, with a table of its own for each plan: nothing of it is ever seen by anybody else. */
export async function onTrial(
  client: pg.Client,
  builds: Semaphore,
  work: (trial: CopyTrial) => Promise<void>,
): Promise<void> {
  const schema = `pgsluice_trial_${(client as unknown as { processID: number }).processID}`;
  await client.query(`BEGIN; CREATE SCHEMA ${quoteIdent(schema)}`);
  const made = new Map<TablePlan, TablePlan>();
  const there = async (plan: TablePlan): Promise<TablePlan> => {
    const known = made.get(plan);
    if (known !== undefined) return known;
    const own = { ...plan, output: { ...plan.output, schema, name: `t${made.size}` } };
    await client.query(await createSql(client, own));
    made.set(plan, own);
    return own;
  };
  await work({
    load: async (plan, copy, signal) => {
      try {
        return await load(client, await there(plan), copy, signal);
      } catch (error) {
        await stopReading(copy);
        throw error;
      }
    },
    index: (plan, columns) => builds.run(async () => build(client, await there(plan), columns)),
  });
  await client.query('ROLLBACK');
}

async function build(client: pg.Client, { output }: TablePlan, columns: readonly string[]): Promise<number> {
  const size = `SELECT pg_indexes_size(${quoteLiteral(qualified(output))}) AS bytes`;
  await client.query(`SET LOCAL statement_timeout = '${longestBuild}'`);
  const before = await client.query<{ bytes: string }>(size);
  await client.query(`CREATE INDEX ON ${qualified(output)} (${columns.map(quoteIdent).join(', ')})`);
  const after = await client.query<{ bytes: string }>(size);
  return Number(after.rows[0]!.bytes) - Number(before.rows[0]!.bytes);
}

async function load(
  client: pg.Client,
  plan: TablePlan,
  copy: RawCopy | RowCopy,
  signal: AbortSignal,
): Promise<LoadResult> {
  const frames = copy.kind === 'raw' ? copy.frames : encodeRows(copy.rows, { rows: 0n });
  const sql = copyStatement(plan, copy.kind === 'raw' ? copy.format : 'text', false);
  const result = await copyIn(client, sql, { frames, refuse: () => stopReading(copy) }, signal);
  if (typeof result === 'string') throw new RangeError('a COPY answered before it began');
  return result;
}

/** A type that is not built in need not be there yet: its text goes into a column of text. */
async function createSql(client: pg.Client, { output }: TablePlan): Promise<string> {
  const { rows } = await client.query<{ type: string }>(
    `SELECT CASE WHEN oid < ${firstUserOid} THEN format_type(oid, -1) ELSE 'text' END AS type
     FROM unnest($1::oid[]) WITH ORDINALITY AS t (oid, n) ORDER BY n`,
    [output.columns.map(({ type }) => type)],
  );
  const columns = output.columns.map(({ name }, i) => `${quoteIdent(name)} ${rows[i]!.type}`);
  return `CREATE TABLE ${qualified(output)} (${columns.join(', ')})`;
}
