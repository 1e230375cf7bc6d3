import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import pg from 'pg';
import { eventsOf, migration } from '../support/migration.ts';
import { ownServer, server } from '../support/servers.ts';

test('a stop position within a record that is not flushed as a whole is passed at once on an idle source', {
  timeout: 200_000,
}, async () => {
  const from = await ownServer(17, { wal_level: 'logical', wal_writer_delay: '50ms' });
  const m = await migration({ from, to: await server(17) });
  await m.source.query('CREATE TABLE item (id int PRIMARY KEY, v text); ALTER TABLE item ALTER v SET STORAGE EXTERNAL');
  await m.run();
  for (let round = 0; round < 2; round++) {
    const client = new pg.Client({ connectionString: m.source.url });
    await client.connect();
    try {
      await client.query('BEGIN');
      const within = async () => {
        const { rows } = await client.query<{ yes: boolean }>(
          `SELECT pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn() - 100
             AND (pg_current_wal_flush_lsn() - '0/0') % 8192 = 0 AS yes`,
        );
        return rows[0]!.yes;
      };
      for (let id = 0; !(await within()); id++) {
        assert.ok(id < 300, 'the WAL writer never stopped within a record');
        const value = randomBytes(950).toString('hex');
        await client.query('INSERT INTO item VALUES ($1, $2)', [round * 1000 + id, value]);
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
      const run = await m.run();
      const [stop] = eventsOf(run, 'stop-position');
      assert.match(String(stop!['lsn']), /[02468ACE]000$/, 'the position is the end of a page');
      const took = Date.parse(String(eventsOf(run, 'run-ended')[0]!['time'])) - Date.parse(String(stop!['time']));
      assert.ok(took < 5000, `${took} ms`);
    } finally {
      await client.query('ROLLBACK');
      await client.end();
    }
  }
});
