import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli, pipelineFile } from '../support/cli.ts';
import { database, ownServer, server as shared } from '../support/servers.ts';

for (const major of [14, 18]) {
  test(`${major}: a prepared transaction arrives at COMMIT PREPARED, in its place, whatever was restarted meanwhile`, {
    timeout: 240_000,
  }, async () => {
    const server = await ownServer(major, { max_prepared_transactions: '10', logical_decoding_work_mem: '64kB' });
    const source = await database(server, 'src');
    const target = await database(await shared(major), 'dst');
    await source.query('CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (0, $$first$$)');
    const file = await pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}", streaming: true }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
    const settle = async (): Promise<string> => {
      const { code, stderr } = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
      assert.equal(code, 0, stderr);
      const [row] = await target.query<{ rows: string }>(
        `SELECT string_agg(id || v, ' ' ORDER BY id) AS rows FROM t WHERE id < 100`,
      );
      return row!.rows;
    };
    await settle();
    await source.query(
      `BEGIN; INSERT INTO t VALUES (1, 'kept'); UPDATE t SET v = 'changed' WHERE id = 0; PREPARE TRANSACTION 'kept'`,
    );
    await source.query(`BEGIN; INSERT INTO t VALUES (2, 'gone'); PREPARE TRANSACTION 'gone'`);
    // Larger than the memory for decoding, so that it is sent while it is in progress.
    await source.query(
      `BEGIN; INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(100, 3000) g; PREPARE TRANSACTION 'large'`,
    );
    await source.query(`INSERT INTO t VALUES (3, 'other')`);
    assert.equal(await settle(), '0first 3other');
    await server.restart('fast');
    assert.equal(await settle(), '0first 3other');
    await source.query(`ROLLBACK PREPARED 'gone'`);
    await source.query(`COMMIT PREPARED 'kept'`);
    await source.query(`UPDATE t SET v = 'later' WHERE id = 1`);
    await source.query(`COMMIT PREPARED 'large'`);
    assert.equal(await settle(), '0changed 1later 3other');
    const [count] = await target.query<{ n: string }>('SELECT count(*) AS n FROM t');
    assert.equal(Number(count!.n), 2904);
  });
}
