import { type CheckInput, value } from './check.ts';

/** Logical decoding does not carry large objects. */
export async function largeObjects({ client, report }: CheckInput): Promise<void> {
  const count = Number(await value(client, 'SELECT count(*) FROM (SELECT FROM pg_largeobject_metadata LIMIT 1000) l'));
  if (count === 0) return;
  report.add({
    check: 'large-objects',
    level: 'warning',
    subject: 'source',
    message: `the database has ${count === 1000 ? '1000 or more' : count} large objects: a Postgres sink copies them with the snapshot, later changes to them do not replicate`,
    remedy:
      'Let nobody write them from the copy to the switch-over, or move them into bytea columns; large_objects: skip of the sink leaves them out.',
  });
}

/**
 * A restored subscription would start to replicate into the target; a user who wants it there creates it after the
 * cutover.
 */
export async function subscriptions({ client, report }: CheckInput): Promise<void> {
  const { rows } = await client.query<{ name: string; publications: string }>(
    `SELECT quote_ident(subname) AS name, (SELECT string_agg(quote_ident(p), ', ') FROM unnest(subpublications) p) AS publications
     FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE d.datname = current_database() ORDER BY 1`,
  );
  for (const { name, publications } of rows) {
    report.add({
      check: 'subscriptions',
      level: 'warning',
      subject: 'source',
      message: `subscription ${name} is not made in the target, where it would start to pull`,
      remedy: `After the cutover, in the target: CREATE SUBSCRIPTION ${name} CONNECTION '…' PUBLICATION ${publications} WITH (copy_data = false);`,
    });
  }
}

/** Sequences are not in the stream; the cutover sets them. */
export async function sequences({ client, report }: CheckInput): Promise<void> {
  const count = await value(client, "SELECT count(*) FROM pg_class WHERE relkind = 'S' AND relpersistence <> 't'");
  report.add({
    check: 'sequences',
    level: 'ok',
    subject: 'source',
    message: `${count} sequences, set on the target at the cutover`,
    remedy: null,
  });
}

/**
 * Under row level security a role that is subject to it would read part of a table only; COPY refuses that
 * (row_security off).
 */
export async function rowSecurity({ client, catalog, report }: CheckInput): Promise<void> {
  const oids = catalog.tables.map(({ relation }) => relation.oid).join(',');
  const { rows } = await client.query<{ name: string; sql: string; role: string; owned: string }>(
    `SELECT n.nspname || '.' || c.relname AS name, format('%I.%I', n.nspname, c.relname) AS sql, quote_ident(current_user) AS role,
       pg_has_role(c.relowner, 'USAGE') AS owned
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1::oid[]) AND row_security_active(c.oid)`,
    [`{${oids}}`],
  );
  for (const { name, sql, role, owned } of rows) {
    const whom = owned === 't' ? `is forced on the owner, and so on ${role}` : `applies to ${role}`;
    report.add({
      check: 'row-security',
      level: 'error',
      subject: name,
      message: `row level security of ${name} ${whom}, who cannot read the whole table`,
      remedy: owned === 't' ? `ALTER TABLE ${sql} NO FORCE ROW LEVEL SECURITY;` : `ALTER ROLE ${role} BYPASSRLS;`,
    });
  }
}
