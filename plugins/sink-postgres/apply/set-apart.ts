import pg from 'pg';
import { PgsluiceError } from '../../../core/base/error.ts';
import { type ConnectionOptions, connect, disconnect } from '../../../core/postgres/connect.ts';
import { qualified } from '../../../core/postgres/quote.ts';

/** A partition that stands alone now, as SQL. */
export interface SetApart {
  readonly partition: string;
  readonly parent: string;
}

export interface SetApartInput {
  readonly connection: ConnectionOptions;
  readonly name: string;
  readonly pipeline: string;
}

/**
 * The stream brings rows of the past, and a tree of the target stands as the last look found it: a row of the default partition, say,
 * came while another partition was detached, and that one is attached here still, or attached again on both sides since. A
 * partition that stands alone takes every row; the next look at the source finds it out of its place, and it is put back when the
 * target is past that look. Returns null for any other failure, and where the server refuses the DETACH.
 */
export async function setApart(error: unknown, input: SetApartInput): Promise<SetApart | null> {
  const refused = refusedBy(error);
  if (refused === null) return null;
  const { connection, name, pipeline } = input;
  const client = await connect(connection, { name, applicationName: `pgsluice ${pipeline}`.slice(0, 63) });
  try {
    const { rows } = await client.query<{ parent: string }>(
      `SELECT format('%I.%I', n.nspname, p.relname) AS parent FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
       JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace
       WHERE c.oid = to_regclass($1) AND c.relkind = 'r' AND c.relispartition`,
      [refused],
    );
    const parent = rows[0]?.parent;
    if (parent === undefined) return null;
    await client.query(`SET synchronous_commit = on; ALTER TABLE ${parent} DETACH PARTITION ${refused}`);
    return { partition: refused, parent };
  } catch (cause) {
    // Rows of other tables refer to it, or the right is missing: the row's own error says more.
    if (cause instanceof pg.DatabaseError) return null;
    throw cause;
  } finally {
    await disconnect(client);
  }
}

/** The partition whose bound refuses a row: the one check violation for which the server names a table and no constraint. */
function refusedBy(error: unknown): string | null {
  if (!(error instanceof PgsluiceError)) return null;
  const { cause } = error;
  if (!(cause instanceof pg.DatabaseError) || cause.code !== '23514' || cause.constraint !== undefined) return null;
  const { schema, table } = cause;
  return schema === undefined || table === undefined ? null : qualified({ schema, name: table });
}
