import type pg from 'pg';
import type { Identity, Oid } from '../../../core/postgres/relation.ts';
import type { TableColumns } from '../../../core/postgres/columns.ts';

/** The keys of a table, from its indexes; columns by attribute number. */
export interface TableKeys {
  /** In key order. */
  readonly primaryKey: readonly number[];
  readonly primaryKeyUsable: boolean;
  readonly primaryKeyDeferrable: boolean;
  /** Index chosen by REPLICA IDENTITY USING INDEX, if it exists and is usable. */
  readonly replicaIndex: readonly number[] | null;
  /** Name of an index that REPLICA IDENTITY USING INDEX would accept. */
  readonly candidate: string | null;
}

/**
 * A replica identity index must be unique, immediate, not partial, without expressions, over NOT NULL columns (manual: ALTER
 * TABLE, REPLICA IDENTITY). A deferrable primary key is none (relcache: rd_replidindex asks for indimmediate).
 */
const query = `
  SELECT i.indrelid, i.indisprimary, i.indisreplident, c.relname,
         i.indisvalid AND i.indimmediate AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
         AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND NOT a.attnotnull
                         AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])),
         array_to_string(i.indkey[0:i.indnkeyatts - 1], ','), i.indimmediate
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  WHERE i.indrelid = ANY($1::oid[]) AND i.indisunique
  ORDER BY i.indrelid, i.indnkeyatts, c.relname`;

export async function readKeys(client: pg.Client, tables: readonly Oid[]): Promise<ReadonlyMap<Oid, TableKeys>> {
  const { rows } = await client.query<string[]>({
    text: query,
    values: [`{${tables.join(',')}}`],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  const keys = new Map<Oid, TableKeys>();
  for (const [table, primary, chosen, name, usable, attnums, immediate] of rows as [string, ...string[]][]) {
    const before = keys.get(Number(table)) ?? none;
    const columns = attnums!.split(',').map(Number);
    keys.set(Number(table), {
      primaryKey: primary === 't' ? columns : before.primaryKey,
      primaryKeyUsable: primary === 't' ? usable === 't' : before.primaryKeyUsable,
      primaryKeyDeferrable: primary === 't' ? immediate === 'f' : before.primaryKeyDeferrable,
      replicaIndex: chosen === 't' && usable === 't' ? columns : before.replicaIndex,
      candidate: before.candidate ?? (usable === 't' ? name! : null),
    });
  }
  return keys;
}

const none: TableKeys = {
  primaryKey: [],
  primaryKeyUsable: false,
  primaryKeyDeferrable: false,
  replicaIndex: null,
  candidate: null,
};

/** The identity that the server will use in the stream (pg_class.relreplident d, i, f, n). */
export function identityOf(replicaIdentity: string, keys: TableKeys | undefined, columns: TableColumns): Identity {
  const at = (attnums: readonly number[]): Identity => ({
    kind: 'key',
    positions: attnums.map((attnum) => columns.attnums.indexOf(attnum)),
  });
  const known = keys ?? none;
  if (replicaIdentity === 'f') return { kind: 'full' };
  if (replicaIdentity === 'd' && known.primaryKeyUsable) return at(known.primaryKey);
  if (replicaIdentity === 'i' && known.replicaIndex !== null) return at(known.replicaIndex);
  return { kind: 'nothing' };
}

export function primaryKeyOf(keys: TableKeys | undefined, columns: TableColumns): readonly number[] {
  return (keys ?? none).primaryKey.map((attnum) => columns.attnums.indexOf(attnum));
}
