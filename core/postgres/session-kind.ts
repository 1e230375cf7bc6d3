import type pg from 'pg';

/** The kind of server that is wanted (libpq: target_session_attrs). */
export const sessionKinds = ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'] as const;
export type SessionKind = (typeof sessionKinds)[number];

/** The kinds for which the list is tried, one after the other. */
export function roundsOf(kind: SessionKind): readonly SessionKind[] {
  return kind === 'prefer-standby' ? ['standby', 'any'] : [kind];
}

/**
 * Null: the server is of this kind; otherwise what kind it is. default_transaction_read_only does not make a server
 * read-only here: every session of ours switches it off, as a cutover's fence requires.
 */
export async function whyNotOf(client: pg.Client, kind: SessionKind): Promise<string | null> {
  if (kind === 'any' || kind === 'prefer-standby') return null;
  const { rows } = await client.query<{ standby: string; readonly: string }>(
    `SELECT pg_catalog.pg_is_in_recovery() AS standby, pg_catalog.current_setting('transaction_read_only') AS readonly`,
  );
  const standby = rows[0]!.standby === 't';
  if (kind === 'standby') return standby ? null : 'is a primary';
  if (kind === 'read-only') return standby || rows[0]!.readonly === 'on' ? null : 'is read-write';
  return standby ? 'is a standby' : null;
}
