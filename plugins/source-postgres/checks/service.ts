import { schemasLeftOut } from '../catalog/choose.ts';
import { readService } from '../services.ts';
import { type CheckInput, value } from './check.ts';

/** Which managed service runs the server, what of it is left out, and what cannot be moved from it unchanged. */
export async function service({ client, options, catalog, report }: CheckInput): Promise<void> {
  const found = await readService(client);
  const left = await schemasLeftOut(client, options.tables);
  if (found !== null || left.length > 0) {
    const words = left.length === 0 ? '' : `; left out, as the service or an extension owns them: ${left.join(', ')}`;
    report.add({
      check: 'service',
      level: 'ok',
      subject: 'source',
      message: `${found?.name ?? 'no managed service that is known'}${words}`,
      remedy: null,
    });
  }
  const chunks = await value(
    client,
    `SELECT string_agg(DISTINCT p.relnamespace::regnamespace || '.' || p.relname, ', ') FROM pg_inherits i
     JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
     WHERE c.relnamespace::regnamespace::text = '_timescaledb_internal' AND p.oid = ANY ('{${catalog.tables.map(({ relation }) => relation.oid).join(',')}}'::oid[])`,
  );
  if (chunks === '') return;
  report.add({
    check: 'service',
    level: 'error',
    subject: 'source',
    message: `rows of hypertables are in chunks, which are left out: ${chunks}`,
    remedy: 'Leave them out with tables.exclude and move them by the tools of TimescaleDB.',
  });
}
