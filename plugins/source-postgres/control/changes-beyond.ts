import type pg from 'pg';
import type { ChangesBeyond } from '../../../core/api/source-control.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';

/** Number of changes that are read; the function ends at the next commit. */
const most = 10_000;
const rowKinds: ReadonlySet<string> = new Set(['I', 'U', 'D', 'T']);

/**
 * Reads what the slot would send, without consuming it. Bytes of a message as in pgoutput's protocol 1 (manual:
 * "Logical Replication Message Formats"): B, then the LSN of the commit; I, U and D, then the relation's oid; T, then a
 * count and flags, then oids.
 */
export async function changesBeyond(
  client: pg.Client,
  names: { readonly slot: string; readonly publication: string },
  at: bigint,
): Promise<readonly ChangesBeyond[]> {
  const { rows } = await client.query<{ head: string }>(
    `SELECT encode(substr(data, 1, 10), 'hex') AS head
     FROM pg_logical_slot_peek_binary_changes($1, NULL, ${most}, 'proto_version', '1', 'publication_names', $2)`,
    [names.slot, quoteIdent(names.publication)],
  );
  const counts = new Map<number, number>();
  let beyond = false;
  for (const { head } of rows) {
    const bytes = Buffer.from(head, 'hex');
    const kind = String.fromCharCode(bytes[0]!);
    // The commit record starts here; the requested position is the end of one.
    if (kind === 'B') beyond = bytes.readBigUInt64BE(1) >= at;
    else if (beyond && rowKinds.has(kind)) {
      const oid = bytes.readUInt32BE(kind === 'T' ? 6 : 1);
      counts.set(oid, (counts.get(oid) ?? 0) + 1);
    }
  }
  if (counts.size === 0) return [];
  const { rows: named } = await client.query<{ oid: string; name: string }>(
    `SELECT w.oid::text AS oid, coalesce(n.nspname || '.' || c.relname, 'a table that is gone') AS name
     FROM unnest($1::oid[]) AS w (oid) LEFT JOIN pg_class c ON c.oid = w.oid
     LEFT JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 2`,
    [[...counts.keys()]],
  );
  return named.map(({ oid, name }) => ({ table: name, changes: counts.get(Number(oid))! }));
}
