import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cli, CliProcess } from '../support/cli.ts';
import { failoverPair, rowsOf, Writer } from '../support/failover.ts';
import { long } from '../support/long.ts';
import { promote } from '../support/standby.ts';

/**
 * The source fails over at random moments under writes: in the start, in the copy, in the stream. It ends equal, or the gap is told.
 * Long form: PGSLUICE_FAILOVER_MOMENTS=20 npm test -- chaos/failover
 */
const moments = Number(process.env['PGSLUICE_FAILOVER_MOMENTS'] ?? (long ? '2' : '1'));
const schema = `CREATE TABLE t (id serial PRIMARY KEY, v text);
  INSERT INTO t (v) SELECT repeat('r', 200) || g FROM generate_series(1, 40000) g;
  ANALYZE t`;
/** Every second time `t` is copied in ranges of its key, each exact at a position that the standby must have, too. */
const ranges = 'chunk_size: 256kB, ledger_above: 1MB';
const told = /^PGS21(50|51|54|96|97) /m;
/** A connection was lost where it is not tried again: another run goes on. */
const runAgain = /^PGS20\d\d .*run again/m;

for (let i = 0; i < moments; i++) {
  const major = i % 2 === 0 ? 17 : 18;
  const after = moments <= 2 ? [4000, 400][i]! : Math.round(Math.random() * 8000);
  test(`${major}: the source fails over ${after} ms after the start`, { timeout: 300_000 }, async (context) => {
    const snapshot = i % 2 === 0 ? '' : ranges;
    const pair = await failoverPair({ major, synced: true, waits: true, schema, snapshot });
    const { primary, standby, target, file } = pair;
    await standby.query('ALTER SYSTEM SET sync_replication_slots = on');
    await standby.query('SELECT pg_reload_conf()');
    const writer = new Writer([primary, standby], 2);
    const run = new CliProcess(['run', file, '--log', 'json']);
    await sleep(after);
    await primary.stop('immediate');
    await promote(standby);
    const before = writer.committed;
    while (writer.committed < before + 100) await sleep(50);
    // Before it had connected there is nothing that it could notice.
    const noticed = run.until('source-promoted').catch(() => {});
    await Promise.race([run.ended, noticed, sleep(20_000)]);
    await writer.stop();
    run.process.kill('SIGINT');
    const ended = await run.ended;
    if (ended.code === 0 || ended.code === 130 || runAgain.test(ended.stderr)) {
      const settled = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
      if (settled.code !== 0) assert.match(settled.stderr, told);
      else {
        assert.equal(await rowsOf(target), await rowsOf(standby, 'shop'));
        return context.diagnostic('went on, equal');
      }
    } else assert.match(ended.stderr, told);
    const compared = await cli(['resync', file, '--verify-first']);
    // Before anything was noted there is nothing to compare: the remedy says to begin.
    const begins = /^PGS7004 the pipeline has not started – Nothing is copied yet: pgsluice run FILE/m.test(
      compared.stderr,
    );
    const repaired = begins ? await cli(['run', file, '--stop-at', 'now', '--log', 'json']) : compared;
    assert.equal(repaired.code, 0, repaired.stderr);
    const settled = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
    assert.equal(settled.code, 0, settled.stderr);
    assert.equal(await rowsOf(target), await rowsOf(standby, 'shop'));
    context.diagnostic('told, repaired, equal');
  });
}
