import type pg from 'pg';
import type { Oid } from '../../../core/postgres/relation.ts';

/** The properties that decide whether the server allows updates of a published table; columns by attribute number. */
export interface TableFacts {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly unlogged: boolean;
  /** pg_class.relreplident: d default, i index, f full, n nothing. */
  readonly identity: string;
  /** Columns of the index that identifies a row; null: there is none. */
  readonly key: readonly number[] | null;
  /** Generated columns. */
  readonly stored: readonly number[];
  readonly virtual: readonly number[];
  readonly names: ReadonlyMap<number, string>;
}

/**
 * The index is chosen as in relcache.c (RelationGetIndexList): valid, unique, immediate, not partial. Reads without a
 * lock on any table.
 */
const query = `
  SELECT json_build_object('oid', c.oid::int8, 'schema', n.nspname, 'name', c.relname,
    'unlogged', c.relpersistence = 'u', 'identity', c.relreplident,
    'key', (SELECT array_to_json(i.indkey[0:i.indnkeyatts - 1]) FROM pg_index i
            WHERE i.indrelid = c.oid AND i.indisvalid AND i.indisunique AND i.indimmediate AND i.indpred IS NULL
              AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END),
    'columns', (SELECT json_agg(json_build_object('attnum', a.attnum, 'name', a.attname, 'generated', a.attgenerated))
                FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))::text AS facts
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid = ANY ($1::oid[])`;

interface Row {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly unlogged: boolean;
  readonly identity: string;
  readonly key: readonly number[] | null;
  readonly columns: readonly { readonly attnum: number; readonly name: string; readonly generated: string }[] | null;
}

/** From the present catalog; dropped tables are left out. */
export async function readFacts(client: pg.Client, oids: readonly Oid[]): Promise<ReadonlyMap<Oid, TableFacts>> {
  const { rows } = await client.query<{ facts: string }>(query, [`{${oids.join(',')}}`]);
  const found = rows.map(({ facts }) => factsOf(JSON.parse(facts) as Row));
  return new Map(found.map((facts) => [facts.oid, facts]));
}

function factsOf({ columns, ...row }: Row): TableFacts {
  const all = columns ?? [];
  const generated = (kind: string) => all.filter((each) => each.generated === kind).map(({ attnum }) => attnum);
  return {
    ...row,
    stored: generated('s'),
    virtual: generated('v'),
    names: new Map(all.map(({ attnum, name }) => [attnum, name])),
  };
}
