import type pg from 'pg';
import type { CheckReport } from '../../../core/api/check.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { readService } from '../services.ts';
import { type CheckInput, value } from './check.ts';

/** Replication, CREATE on the database and ownership of the tables (a publication needs both), SELECT on them. */
export async function privileges(input: CheckInput): Promise<void> {
  const user = await value(input.client, 'SELECT current_user');
  const streaming = input.options.snapshot.mode !== 'initial_only';
  if (streaming) await ofDatabase(input, user);
  await perTable(input, quoteIdent(user), streaming);
}

async function ofDatabase({ client, catalog, report }: CheckInput, user: string): Promise<void> {
  const role = quoteIdent(user);
  // RDS grants this by membership in a role of its own.
  const replicates = await value(
    client,
    `SELECT rolsuper OR rolreplication OR EXISTS (SELECT FROM pg_roles g WHERE g.rolname = 'rds_replication' AND pg_has_role(g.oid, 'MEMBER'))
     FROM pg_roles WHERE rolname = current_user`,
  );
  const service = replicates === 't' ? null : await readService(client);
  report.add({
    check: 'replication-privilege',
    code: 'PGS2114',
    level: replicates === 't' ? 'ok' : 'error',
    subject: 'source',
    message: `role ${user} ${replicates === 't' ? 'may' : 'may not'} open replication connections`,
    remedy:
      replicates === 't' ? null : (service?.replication ?? 'ALTER ROLE {role} REPLICATION;').replace('{role}', role),
  });
  const database = quoteIdent(catalog.identity.database);
  const creates = await value(client, "SELECT has_database_privilege(current_database(), 'CREATE')");
  report.add({
    check: 'publication-privilege',
    level: creates === 't' ? 'ok' : 'error',
    subject: 'source',
    message: `role ${user} ${creates === 't' ? 'may' : 'may not'} create publications in ${catalog.identity.database}`,
    remedy: creates === 't' ? null : `GRANT CREATE ON DATABASE ${database} TO ${role};`,
  });
}

async function perTable({ client, catalog, report }: CheckInput, role: string, streaming: boolean): Promise<void> {
  const oids = catalog.tables.map(({ relation }) => relation.oid).join(',');
  const { rows } = await client.query<Record<'name' | 'ident' | 'owner' | 'owns' | 'reads', string>>(
    `SELECT n.nspname || '.' || c.relname AS name, format('%I.%I', n.nspname, c.relname) AS ident,
            quote_ident(pg_get_userbyid(c.relowner)) AS owner, pg_has_role(c.relowner, 'USAGE') AS owns,
            has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS reads
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = ANY($1::oid[]) AND NOT (pg_has_role(c.relowner, 'USAGE')
           AND has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'))
     ORDER BY 1`,
    [`{${oids}}`],
  );
  for (const row of rows) {
    if (!streaming && row.reads === 't') continue;
    const what = row.owns !== 't' && streaming ? 'is not owned by' : 'cannot be read by';
    report.add({
      check: 'table-privilege',
      level: 'error',
      subject: row.name,
      message: `${row.name} ${what} role ${role}`,
      remedy:
        row.owns === 't' || !streaming ? `GRANT SELECT ON ${row.ident} TO ${role};` : `GRANT ${row.owner} TO ${role};`,
    });
  }
}

/**
 * Only a superuser creates event triggers (or a managed service's own kind of superuser, which shows only when they are
 * created).
 */
export async function eventTriggers(client: pg.Client, report: CheckReport): Promise<void> {
  const may = (await value(client, 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user')) === 't';
  const user = await value(client, 'SELECT current_user');
  report.add({
    check: 'event-triggers',
    level: may ? 'ok' : 'warning',
    subject: 'source',
    message: may
      ? `role ${user} may make the event triggers that \`ddl: follow\` needs`
      : `role ${user} is no superuser: without event triggers, \`ddl: follow\` looks at the catalog every three seconds, and copies a table again where rows came before it was looked at`,
    remedy: null,
  });
}
