import type pg from 'pg';
import { PgsluiceError } from '../../../core/base/error.ts';
import type { Oid } from '../../../core/postgres/relation.ts';
import type { LargeObject } from '../../../core/api/snapshot.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { sourceError } from '../errors.ts';

/** Objects asked for at once, bytes of each that come with it, and bytes of each further piece. */
const perBatch = 64;
const firstBytes = 128 * 1024;
const pieceBytes = 1024 * 1024;

type Ask = <T>(question: (client: pg.Client) => Promise<T>) => Promise<T>;

interface Row {
  readonly oid: string;
  readonly owner: string;
  readonly grants: string | null;
  readonly comment: string | null;
  readonly first: string;
}

/** lo_get reads with the snapshot of the transaction (manual: "Server-Side Functions"); catalogs of the metadata do, too. */
const select = `
  SELECT m.oid, pg_get_userbyid(m.lomowner) AS owner, obj_description(m.oid, 'pg_largeobject') AS comment,
         lo_get(m.oid, 0, ${firstBytes}) AS first,
         CASE WHEN m.lomacl IS NOT NULL THEN (
           SELECT coalesce(json_agg(json_build_object('privilege', a.privilege_type, 'grantable', a.is_grantable,
             'grantee', CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee) END)), '[]')
           FROM aclexplode(m.lomacl) a)::text END AS grants
  FROM pg_largeobject_metadata m WHERE m.oid > $1 ORDER BY m.oid LIMIT ${perBatch}`;

export async function* readLargeObjects(
  ask: Ask,
  more: { readonly after: Oid; readonly connection: string; readonly signal: AbortSignal },
): AsyncGenerator<readonly LargeObject[]> {
  for (let after = more.after; ; ) {
    more.signal.throwIfAborted();
    const rows = await told(more.connection, () =>
      ask(async (client) => (await client.query<Row & pg.QueryResultRow>(select, [after])).rows),
    );
    if (rows.length === 0) return;
    yield rows.map((row) => toObject(ask, row, more));
    after = Number(rows.at(-1)!.oid);
  }
}

function toObject(ask: Ask, row: Row, more: { connection: string; signal: AbortSignal }): LargeObject {
  const oid = Number(row.oid);
  // `\x` and two digits a byte.
  const whole = row.first.length < 2 + 2 * firstBytes;
  return {
    oid,
    owner: row.owner,
    comment: row.comment,
    grants: row.grants === null ? null : (JSON.parse(row.grants) as LargeObject['grants']),
    first: row.first,
    rest: whole ? null : pieces(ask, oid, more),
  };
}

async function* pieces(ask: Ask, oid: Oid, more: { connection: string; signal: AbortSignal }): AsyncGenerator<string> {
  for (let at = firstBytes; ; at += pieceBytes) {
    more.signal.throwIfAborted();
    const piece = await told(more.connection, () =>
      ask(async (client) => {
        const { rows } = await client.query<{ data: string }>('SELECT lo_get($1, $2, $3) AS data', [
          oid,
          at,
          pieceBytes,
        ]);
        return rows[0]!.data;
      }),
    );
    if (piece.length > 2) yield piece;
    if (piece.length < 2 + 2 * pieceBytes) return;
  }
}

async function told<T>(connection: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const known = error instanceof PgsluiceError ? error : fromPg(error, { connection });
    if (known.where.sqlstate !== '42501') throw known;
    throw sourceError('PGS2123', known.message, { where: known.where, cause: error });
  }
}
