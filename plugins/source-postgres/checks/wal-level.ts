import { type CheckInput, value } from './check.ts';

export async function walLevel({ client, report }: CheckInput): Promise<void> {
  const level = await value(client, 'SHOW wal_level');
  const ok = level === 'logical';
  report.add({
    check: 'wal-level',
    level: ok ? 'ok' : 'error',
    subject: 'source',
    code: 'PGS2110',
    message: `wal_level is ${level}`,
    remedy: ok ? null : "ALTER SYSTEM SET wal_level = 'logical'; and restart the source",
  });
}
