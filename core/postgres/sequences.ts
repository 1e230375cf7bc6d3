import type pg from 'pg';
import { qualified } from './quote.ts';
import type { Sequence, SequenceState } from './sequence.ts';

const list = `
  SELECT n.nspname, c.relname, tn.nspname, tc.relname, a.attname, d.deptype = 'i',
         format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_sequence s ON s.seqrelid = c.oid
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

/** All user sequences; requires no privilege on any of them. */
export async function listSequences(client: pg.Client): Promise<readonly Sequence[]> {
  const { rows } = await client.query<(string | null)[]>({
    text: list,
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  return rows.map(sequenceOf);
}

/**
 * These sequences with their values, by default all: last_value and is_called of the relation itself. The view
 * pg_sequences would give null for a sequence that was never called, and has no is_called.
 */
export async function readSequences(client: pg.Client, of?: readonly Sequence[]): Promise<readonly SequenceState[]> {
  const sequences = of ?? (await listSequences(client));
  const states: SequenceState[] = [];
  for (let from = 0; from < sequences.length; from += perStatement) {
    const part = sequences.slice(from, from + perStatement);
    const values = await readValues(client, part);
    for (const [i, sequence] of part.entries()) states.push({ ...sequence, ...values[i]! });
  }
  return states;
}

function sequenceOf(row: readonly (string | null)[]): Sequence {
  const [schema, name, ownerSchema, table, column, identity, type, start, increment, min, max, cache, cycle] = row;
  return {
    schema: schema!,
    name: name!,
    definition: {
      type: type!,
      start: BigInt(start!),
      increment: BigInt(increment!),
      min: BigInt(min!),
      max: BigInt(max!),
      cache: BigInt(cache!),
      cycle: cycle === 't',
    },
    ownedBy:
      typeof table !== 'string' ? null : { schema: ownerSchema!, table, column: column!, identity: identity === 't' },
  };
}

async function readValues(
  client: pg.Client,
  sequences: readonly Sequence[],
): Promise<readonly Pick<SequenceState, 'lastValue' | 'isCalled'>[]> {
  const parts = sequences.map((sequence, i) => `SELECT ${i} AS i, last_value, is_called FROM ${qualified(sequence)}`);
  const { rows } = await client.query<string[]>({
    text: `${parts.join(' UNION ALL ')} ORDER BY i`,
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  return rows.map(([, last, called]) => ({ lastValue: BigInt(last!), isCalled: called === 't' }));
}
