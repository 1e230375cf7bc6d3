import assert from 'node:assert/strict';
import test from 'node:test';
import { migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

const hostile = [
  'array_nulls = off',
  'quote_all_identifiers = on',
  `DateStyle = 'German, DMY'`,
  `IntervalStyle = 'iso_8601'`,
  `TimeZone = 'Asia/Kolkata'`,
  'extra_float_digits = -5',
  `bytea_output = 'escape'`,
  'xmlbinary = hex',
  'transform_null_equals = on',
  'standard_conforming_strings = off',
  'gin_fuzzy_search_limit = 1',
];

for (const side of ['source', 'target'] as const) {
  test(`what the ${side}'s database sets for its sessions changes neither what is written nor what is compared`, async () => {
    const of = await migration({ from: await server(17), to: await server(17) });
    await of.source.query(`
      CREATE TABLE v (id int PRIMARY KEY, a text[], d date, i interval, t timestamptz, f float8, b bytea DEFAULT '\\x5c00', s text DEFAULT 'a\\b');
      CREATE VIEW seen AS SELECT id, a FROM v WHERE d > '2024-02-03';
      CREATE INDEX v_d ON v (d) WHERE s = 'x\\y';
      INSERT INTO v SELECT n, ARRAY[NULL, 'NULL', 'x'], '2024-02-03', '1 day 02:00', '2024-02-03 04:05:06.789+00', 1.0 / 3 FROM generate_series(1, 3) n`);
    for (const setting of hostile) await of[side].query(`ALTER DATABASE ${of[side].name} SET ${setting}`);
    await of.run();
    await of.source.query(`
      SET array_nulls = on; SET TimeZone = UTC; SET DateStyle = ISO; SET standard_conforming_strings = on;
      INSERT INTO v SELECT n, ARRAY[NULL, 'NULL', 'y'], '2024-03-02', '3 mons', '2024-02-03 04:05:06.789+00', 1e-7 / 3 FROM generate_series(4, 5) n;
      UPDATE v SET a = ARRAY[NULL]::text[] WHERE id = 2`);
    await of.run();
    const verdict = await of.verb('verify', '--schema', '--json');
    const report = JSON.parse(verdict.stdout) as {
      equal: boolean;
      schemas: { findings: { name: string; what: string }[] }[];
    };
    assert.equal(report.equal, true);
    // The source's settings arrive; those that the target has of its own are the only difference.
    assert.deepEqual(
      report.schemas[0]!.findings.map(({ name }) => name),
      side === 'source' ? [] : ['database'],
      verdict.stdout,
    );
    const rows = `SELECT id, array_to_json(a)::text AS a, d - date '2000-01-01' AS d, extract(epoch FROM i)::text AS i, extract(epoch FROM t)::text AS t,
      float8send(f)::text AS f, encode(b, 'hex') AS b, encode(convert_to(s, 'UTF8'), 'hex') AS s FROM v ORDER BY id`;
    const bare = `SET bytea_output = hex; SET extra_float_digits = 3; SET standard_conforming_strings = on; ${rows}`;
    assert.deepEqual(await of.target.query(bare), await of.source.query(bare));
    assert.equal(
      (await of.target.query<{ n: number }>('SELECT count(*)::int AS n FROM v WHERE a[1] IS NULL'))[0]!.n,
      5,
    );
  });
}
