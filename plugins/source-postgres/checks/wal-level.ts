import { readService, type Service } from '../services.ts';
import { type CheckInput, value } from './check.ts';

export async function walLevel({ client, report }: CheckInput): Promise<void> {
  const level = await value(client, 'SHOW wal_level');
  const ok = decodes(level, await value(client, `SELECT current_setting('effective_wal_level', true)`));
  const service = ok ? null : await readService(client);
  report.add({
    check: 'wal-level',
    level: ok ? 'ok' : 'error',
    subject: 'source',
    code: 'PGS2110',
    message: `wal_level is ${level}${service === null ? '' : ` on ${service.name}`}`,
    remedy: ok ? null : remedyOf(service),
  });
}

/**
 * From 19 on the first slot raises `replica` to `logical` automatically, and effective_wal_level shows the effective
 * value.
 */
export function decodes(level: string, effective: string | null): boolean {
  return level === 'logical' || (level === 'replica' && effective !== null && effective !== '');
}

function remedyOf(service: Service | null): string {
  if (service === null) return "ALTER SYSTEM SET wal_level = 'logical'; and restart the source";
  if (service.logical !== null) return `${service.name}: ${service.logical}`;
  return `${service.name} has no logical decoding for its users: copy with snapshot.mode: initial_only while nobody writes`;
}
