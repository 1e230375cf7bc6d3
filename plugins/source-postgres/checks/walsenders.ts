import { readService, settingRemedy } from '../services.ts';
import { type CheckInput, value } from './check.ts';

export async function walsenders({ client, report }: CheckInput): Promise<void> {
  const max = Number(await value(client, 'SHOW max_wal_senders'));
  const used = Number(await value(client, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'"));
  const ok = max - used >= 1;
  report.add({
    check: 'walsenders',
    level: ok ? 'ok' : 'error',
    subject: 'source',
    code: 'PGS2112',
    message: `${used} of ${max} walsenders in use`,
    remedy: ok ? null : settingRemedy(await readService(client), 'max_wal_senders', max + 2),
  });
}
