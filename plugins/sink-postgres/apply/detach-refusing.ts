import pg from 'pg';
import type { TableName } from '../../../core/api/schema-change.ts';
import { PgsluiceError } from '../../../core/base/error.ts';

/** Detaches a partition. Returns the statements that ran; none where the table is no partition. */
export type Detach = (table: TableName, signal: AbortSignal) => Promise<readonly string[]>;

/**
 * The stream brings rows of the past, and a tree of the target stands as the last look found it: a row of the default partition, say,
 * came while another partition was detached, and that one is attached here still, or attached again on both sides since. A
 * partition that stands alone takes every row; the next look at the source finds it out of its place, and it is put back when the
 * target is past that look. Returns the partition; null for any other failure, and where the server refuses the DETACH.
 */
export async function detachRefusing(error: unknown, detach: Detach, signal: AbortSignal): Promise<TableName | null> {
  const table = refusedBy(error);
  if (table === null) return null;
  try {
    return (await detach(table, signal)).length === 0 ? null : table;
  } catch (cause) {
    // Rows of other tables refer to it, or the right is missing: the row's own error says more.
    const refused = cause instanceof PgsluiceError && cause.where.sqlstate !== undefined && cause.retry === 'never';
    if (refused) return null;
    throw cause;
  }
}

/** The partition whose bound refuses a row: the one check violation for which the server names a table and no constraint. */
function refusedBy(error: unknown): TableName | null {
  if (!(error instanceof PgsluiceError)) return null;
  const { cause } = error;
  if (!(cause instanceof pg.DatabaseError) || cause.code !== '23514' || cause.constraint !== undefined) return null;
  const { schema, table } = cause;
  return schema === undefined || table === undefined ? null : { schema, name: table };
}
