import type { Finding } from '../../../core/api/check.ts';
import { type CheckInput, value } from './check.ts';

type Found = Omit<Finding, 'subject'>;

/** Timeouts are off in our own sessions; the server's timeout for a replication connection cannot be set by us. */
export async function timeouts({ client, report }: CheckInput): Promise<void> {
  const ms = Number(await value(client, "SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'"));
  report.add({ subject: 'source', ...timeoutFinding(ms) });
}

/** Pure. A status is sent every ten seconds. */
export function timeoutFinding(ms: number): Found {
  const check = 'timeouts';
  if (ms === 0 || ms >= 15_000)
    return { check, level: 'ok', message: `wal_sender_timeout is ${ms / 1000} s`, remedy: null };
  const message = `wal_sender_timeout is ${ms / 1000} s: a busy network ends the stream again and again`;
  return {
    check,
    level: 'warning',
    message,
    remedy: `ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_reload_conf();`,
  };
}

/** A slot delays the removal of old rows in the catalogs; a database that is close to wraparound cannot afford that. */
export async function transactionAge({ client, report }: CheckInput): Promise<void> {
  const age = Number(
    await value(client, 'SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()'),
  );
  const limit = Number(await value(client, 'SHOW autovacuum_freeze_max_age'));
  report.add({ subject: 'source', ...ageFinding(age, limit) });
}

/** Beyond this age the server soon refuses writes (2^31 less three million, less what a copy of days may use). */
const dangerous = 1_800_000_000;

/** Pure. */
export function ageFinding(age: number, limit: number): Found {
  const check = 'transaction-age';
  const remedy = 'VACUUM (FREEZE, ANALYZE); end long transactions and drop slots that nobody reads.';
  const message = `the oldest transaction id is ${age} transactions old`;
  if (age >= dangerous)
    return { check, level: 'error', message: `${message}: the server is about to refuse writes`, remedy };
  if (age > limit * 1.1)
    return {
      check,
      level: 'warning',
      message: `${message}, autovacuum_freeze_max_age is ${limit}: freezing is late`,
      remedy,
    };
  return { check, level: 'ok', message, remedy: null };
}
