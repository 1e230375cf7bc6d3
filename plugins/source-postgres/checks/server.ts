import { standbyOfOurName } from '../synchronous-standby.ts';
import { type CheckInput, value } from './check.ts';

const oldest = 14;
const newest = 18;

export async function serverVersion({ catalog, report }: CheckInput): Promise<void> {
  const { version } = catalog.identity;
  const major = Math.floor(version / 10_000);
  const level = major < oldest ? 'error' : major > newest ? 'warning' : 'ok';
  report.add({
    check: 'server-version',
    level,
    subject: 'source',
    message: `PostgreSQL ${major}.${version % 10_000}`,
    remedy: level === 'ok' ? null : `Versions ${oldest} to ${newest} are tested.`,
  });
}

export async function originFilter({ catalog, options, report }: CheckInput): Promise<void> {
  const { version } = catalog.identity;
  if (options.origin !== 'none' || version >= 160_000) return;
  report.add({
    check: 'origin',
    level: 'error',
    subject: 'source',
    message: `origin: none needs PostgreSQL 16 or later on the source, this is ${Math.floor(version / 10_000)}`,
    remedy: 'Leave origin out, or set it to any.',
    code: 'PGS2157',
  });
}

export async function synchronousStandby({ client, access, report }: CheckInput): Promise<void> {
  const named = await standbyOfOurName(client, access);
  if (named === null) return;
  const { what: message, remedy } = named;
  report.add({ check: 'synchronous-standby', level: 'error', subject: 'source', message, remedy, code: 'PGS2184' });
}

/** Settings that invalidate a slot with a large lag. */
export async function walKeepSize({ client, catalog, report }: CheckInput): Promise<void> {
  const megabytes = Number(
    await value(client, "SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size'"),
  );
  const total = catalog.tables.reduce((sum, { bytes }) => sum + bytes, 0);
  const limit = megabytes * 1024 * 1024;
  const small = megabytes >= 0 && limit < total;
  report.add({
    check: 'max-slot-wal-keep-size',
    level: small ? 'warning' : 'ok',
    subject: 'source',
    message:
      megabytes < 0
        ? 'max_slot_wal_keep_size is unlimited: watch the disk of the source while the pipeline does not run'
        : `a slot that lags more than ${megabytes} MB is cut off`,
    remedy: small ? 'ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf();' : null,
  });
}
