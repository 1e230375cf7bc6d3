import type pg from 'pg';
import type { SequenceState } from '../../../core/api/snapshot.ts';
import { qualified } from '../../../core/postgres/quote.ts';

const list = `
  SELECT n.nspname, c.relname, tn.nspname, tc.relname, a.attname
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
                       AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
  LEFT JOIN pg_class tc ON tc.oid = d.refobjid
  LEFT JOIN pg_namespace tn ON tn.oid = tc.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = tc.oid AND a.attnum = d.refobjsubid
  WHERE c.relkind = 'S' AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgsluice')
    AND NOT EXISTS (SELECT FROM pg_depend e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e')
  ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"`;

/** How many sequences one statement reads. */
const perStatement = 500;

/**
 * All user sequences with what the next nextval depends on: the relation's own last_value and is_called. The view
 * pg_sequences would give null for one that was never called, and does not tell is_called apart.
 */
export async function readSequences(client: pg.Client): Promise<readonly SequenceState[]> {
  const { rows } = await client.query<(string | null)[]>({
    text: list,
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  const states: SequenceState[] = [];
  for (let from = 0; from < rows.length; from += perStatement) {
    const part = rows.slice(from, from + perStatement);
    const values = await readValues(
      client,
      part.map(([schema, name]) => ({ schema: schema!, name: name! })),
    );
    for (const [i, [schema, name, ownerSchema, ownerTable, column]] of part.entries()) {
      states.push({
        schema: schema!,
        name: name!,
        ...values[i]!,
        ownedBy: typeof ownerTable !== 'string' ? null : { schema: ownerSchema!, table: ownerTable, column: column! },
      });
    }
  }
  return states;
}

async function readValues(
  client: pg.Client,
  sequences: readonly { readonly schema: string; readonly name: string }[],
): Promise<readonly { readonly lastValue: bigint; readonly isCalled: boolean }[]> {
  const parts = sequences.map((sequence, i) => `SELECT ${i} AS i, last_value, is_called FROM ${qualified(sequence)}`);
  const { rows } = await client.query<string[]>({
    text: `${parts.join(' UNION ALL ')} ORDER BY i`,
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  return rows.map(([, last, called]) => ({ lastValue: BigInt(last!), isCalled: called === 't' }));
}
