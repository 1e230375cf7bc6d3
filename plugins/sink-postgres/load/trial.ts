import type pg from 'pg';
import type { CopyTrial } from '../../../core/api/assessment.ts';
import type { TablePlan } from '../../../core/api/plan.ts';
import type { LoadResult } from '../../../core/api/sink.ts';
import type { RawCopy, RowCopy } from '../../../core/api/snapshot.ts';
import { firstUserOid } from '../../../core/postgres/oids.ts';
import { qualified, quoteIdent } from '../../../core/postgres/quote.ts';
import { copyIn } from './copy-in.ts';
import { encodeRows } from './copy-text.ts';
import { copyStatement, stopReading } from './load.ts';

/** A transaction that is rolled back, with a table of its own for each plan: nothing of it is ever seen by anybody else. */
export async function onTrial(client: pg.Client, work: (trial: CopyTrial) => Promise<void>): Promise<void> {
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
  });
  await client.query('ROLLBACK');
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
