import { type CheckInput, value } from './check.ts';

/** The workers, the session that holds the snapshot, the stream, and a few short ones. */
export async function connections({ client, options, report }: CheckInput): Promise<void> {
  const max = Number(await value(client, 'SHOW max_connections'));
  const kept = Number(await value(client, 'SHOW superuser_reserved_connections'));
  const used = Number(
    await value(client, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"),
  );
  const needed = options.snapshot.workers + 4;
  const free = max - kept - used;
  report.add({
    check: 'connections',
    level: free < needed ? 'error' : 'ok',
    subject: 'source',
    message: `${free} of ${max} connections free, about ${needed} needed`,
    remedy:
      free < needed
        ? `Lower snapshot.workers, or ALTER SYSTEM SET max_connections = ${max + needed}; and restart`
        : null,
  });
}

/** A pooler distributes one session's statements over many backends: no replication protocol, no exported snapshots. */
export async function pooler({ client, report }: CheckInput): Promise<void> {
  const greeted = Number((client as unknown as { processID: number }).processID);
  const actual = Number(await value(client, 'SELECT pg_backend_pid()'));
  if (greeted === actual) return;
  report.add({
    check: 'pooler',
    level: 'error',
    subject: 'source',
    message: 'a pooler stands between us and the source: the backend is not the one that greeted us',
    remedy: 'Name the server itself in the URL, not PgBouncer or another pooler.',
  });
}
