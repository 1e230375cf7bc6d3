import type pg from 'pg';
import type { PgsluiceError } from '../../../core/base/error.ts';
import { failpoint } from '../../../core/base/failpoint.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { bulkError } from '../errors.ts';
import type { Sessions } from '../sessions.ts';

/**
 * Materialized views that read the tables, also through other views; views that others read come first. `emptyOnly`:
 * only views that were never filled. `all`: also views that read none of the tables.
 */
export async function refreshViews(
  sessions: Sessions,
  relids: readonly number[],
  options: {
    readonly emptyOnly: boolean;
    readonly all: boolean;
    readonly except?: readonly { readonly schema: string; readonly name: string }[];
    /** An empty view was never filled on the source either. */
    readonly filledOnly?: boolean;
    /** Called for a view that cannot be refreshed; without it, that is an error. */
    readonly onFailure?: (view: string, error: PgsluiceError) => void;
    readonly signal: AbortSignal;
  },
): Promise<readonly string[]> {
  const views = await sessions.query((client) => materializedViews(client, relids, options.all));
  const except = new Set((options.except ?? []).map(relationName));
  const done: string[] = [];
  for (const view of views) {
    if ((options.emptyOnly && view.populated) || except.has(view.key)) continue;
    if (options.filledOnly === true && !view.populated) continue;
    options.signal.throwIfAborted();
    failpoint('refresh');
    try {
      await sessions.query((client) => client.query(`REFRESH MATERIALIZED VIEW ${view.name}`));
    } catch (error) {
      const known = fromPg(error, {});
      if (known.code !== 'PGS2007') throw known;
      const where = { ...known.where, object: view.name };
      if (options.onFailure === undefined)
        throw bulkError('PGS3023', `materialized view ${view.name}: ${known.message}`, { where, cause: known.cause });
      options.onFailure(view.key, known);
      continue;
    }
    done.push(view.name);
  }
  return done;
}

async function materializedViews(
  client: pg.Client,
  relids: readonly number[],
  all: boolean,
): Promise<{ name: string; key: string; populated: boolean }[]> {
  const { rows } = await client.query<{ name: string; key: string; populated: string }>(
    `WITH RECURSIVE above AS (
       SELECT r.ev_class AS above, d.refobjid AS below
       FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
         AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
       UNION SELECT inhparent, inhrelid FROM pg_inherits
     ), up AS (
       SELECT s.oid, 0 AS depth FROM (
         SELECT unnest($1::oid[]) AS oid UNION SELECT oid FROM pg_class WHERE relkind = 'm' AND $2::boolean) s
       UNION SELECT a.above, depth + 1 FROM up JOIN above a ON a.below = up.oid WHERE depth < 100
     )
     SELECT format('%I.%I', n.nspname, c.relname) AS name, n.nspname || '.' || c.relname AS key, c.relispopulated::text AS populated
     FROM up JOIN pg_class c ON c.oid = up.oid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'm' GROUP BY c.oid, n.nspname ORDER BY max(up.depth), 1`,
    [relids, all],
  );
  return rows.map((row) => ({ ...row, populated: row.populated === 'true' }));
}
