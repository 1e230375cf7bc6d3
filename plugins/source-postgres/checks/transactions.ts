import { type CheckInput, value } from './check.ts';

/** A slot is created only after all present transactions have ended. */
export function longTransactions(input: CheckInput): Promise<void> {
  return transactionsOlderThan(input, 60);
}

export async function transactionsOlderThan({ client, report }: CheckInput, age: number): Promise<void> {
  const { rows } = await client.query<{ pid: string; seconds: string }>(
    `SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::bigint AS seconds FROM pg_stat_activity
     WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - make_interval(secs => $1)
     ORDER BY xact_start LIMIT 5`,
    [age],
  );
  for (const { pid, seconds } of rows) {
    report.add({
      check: 'long-transaction',
      level: 'warning',
      subject: 'source',
      message: `pid ${pid} is in a transaction since ${seconds} s; the slot is made only when it has ended`,
      remedy: `SELECT pg_terminate_backend(${pid});`,
    });
  }
}

/** A prepared transaction blocks the slot's creation until someone ends it. */
export async function preparedTransactions({ client, report }: CheckInput): Promise<void> {
  const count = Number(await value(client, 'SELECT count(*) FROM pg_prepared_xacts'));
  if (count === 0) return;
  const gid = await value(client, 'SELECT quote_literal(gid) FROM pg_prepared_xacts ORDER BY prepared LIMIT 1');
  report.add({
    check: 'prepared-transaction',
    level: 'warning',
    subject: 'source',
    message: `${count} prepared transactions are open; the slot is made only when they have ended`,
    remedy: `COMMIT PREPARED ${gid}; or ROLLBACK PREPARED ${gid};`,
  });
}
