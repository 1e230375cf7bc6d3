import assert from 'node:assert/strict';
import { test } from 'node:test';
import { database, server } from '../../../support/servers.ts';

for (const major of [14, 15, 16, 17, 18]) {
  test(`a PostgreSQL ${major} server answers and decodes logically`, async () => {
    const on = await server(major);
    const db = await database(on);
    const [row] = await db.query<{ v: string; wal: string }>(
      `SELECT current_setting('server_version_num')::int / 10000 AS v, current_setting('wal_level') AS wal`,
    );
    assert.deepEqual(row, { v: major, wal: 'logical' });
    await db.query(`SELECT pg_create_logical_replication_slot('${db.name}', 'pgoutput')`);
  });
}
