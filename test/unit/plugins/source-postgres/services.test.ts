import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodes } from '../../../../plugins/source-postgres/checks/wal-level.ts';
import { serviceOf, settingRemedy } from '../../../../plugins/source-postgres/services.ts';

const marks = (given: { roles?: readonly string[]; settings?: readonly string[]; aurora?: boolean }) => ({
  version: 'PostgreSQL 17.4',
  roles: new Set(['postgres', 'pg_monitor', ...(given.roles ?? [])]),
  settings: new Set(['plpgsql', ...(given.settings ?? [])]),
  aurora: given.aurora ?? false,
});

/** By the public documentation of each (docs/managed.md). */
const cases: readonly [Parameters<typeof marks>[0], string, RegExp][] = [
  [
    { roles: ['rds_superuser', 'rds_replication'], settings: ['rds'] },
    'Amazon RDS',
    /rds\.logical_replication = 1 .*reboot/,
  ],
  [{ roles: ['rds_superuser'], settings: ['rds', 'apg'], aurora: true }, 'Amazon Aurora', /cluster parameter group/],
  [{ roles: ['cloudsqlsuperuser'] }, 'Cloud SQL', /cloudsql\.logical_decoding=on/],
  [{ roles: ['alloydbsuperuser', 'cloudsqlsuperuser'] }, 'AlloyDB', /alloydb\.logical_decoding/],
  [{ roles: ['azure_pg_admin', 'azuresu'] }, 'Azure Database for PostgreSQL', /azure\.replication_support/],
  [{ roles: ['supabase_admin', 'authenticator'] }, 'Supabase', /direct connection/],
  [{ roles: ['neon_superuser'], settings: ['neon'] }, 'Neon', /Enable in the console/],
  [{ roles: ['tsdbadmin'], settings: ['timescaledb'] }, 'Timescale Cloud', /ask the support of Timescale/],
  [{ roles: ['avnadmin'] }, 'Aiven', /wal_level is logical/],
  [{ roles: ['doadmin'] }, 'DigitalOcean', /wal_level is logical/],
  [{ roles: ['crunchy_superuser'] }, 'Crunchy Bridge', /cb config-param set/],
];

test('each service by its marks, with its own words', () => {
  for (const [given, name, words] of cases) {
    const service = serviceOf(marks(given));
    assert.equal(service?.name, name);
    assert.match(service!.logical ?? '', words);
    assert.match(settingRemedy(service, 'max_wal_senders', 12), new RegExp(`^${name}: .*max_wal_senders`));
  }
  assert.equal(serviceOf(marks({ roles: ['heroku_admin'] }))?.logical, null);
  assert.equal(serviceOf(marks({ roles: ['rds', 'admin', 'supabase'], settings: ['timescaledb'] })), null);
  assert.match(settingRemedy(null, 'max_wal_senders', 12), /^ALTER SYSTEM SET max_wal_senders = 12;/);
});

test('PostgreSQL 19: wal_level = replica is enough, as the first slot raises it', () => {
  assert.ok(decodes('logical', ''));
  assert.ok(decodes('replica', 'replica'));
  assert.ok(decodes('replica', 'logical'));
  assert.ok(!decodes('replica', ''));
  assert.ok(!decodes('minimal', 'minimal'));
});
