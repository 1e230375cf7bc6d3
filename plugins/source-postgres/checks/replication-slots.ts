import { quoteLiteral } from '../../../core/postgres/quote.ts';
import { readService, settingRemedy } from '../services.ts';
import { type CheckInput, value } from './check.ts';

/** One for the pipeline, and one for the moment of its creation (slot.ts), or for another snapshot. */
export async function replicationSlots({ client, access, report }: CheckInput): Promise<void> {
  const max = Number(await value(client, 'SHOW max_replication_slots'));
  const used = Number(await value(client, 'SELECT count(*) FROM pg_replication_slots'));
  const exists =
    (await value(
      client,
      `SELECT count(*) FROM pg_replication_slots WHERE slot_name = ${quoteLiteral(access.slot)}`,
    )) !== '0';
  const free = max - used;
  const enough = exists ? 0 : 2;
  report.add({
    check: 'replication-slots',
    level: free < enough ? 'error' : free < 1 ? 'warning' : 'ok',
    subject: 'source',
    code: 'PGS2111',
    message: `${used} of ${max} replication slots in use${exists ? `, slot ${access.slot} among them` : ''}`,
    remedy:
      free >= Math.max(enough, 1) ? null : settingRemedy(await readService(client), 'max_replication_slots', max + 2),
  });
}
