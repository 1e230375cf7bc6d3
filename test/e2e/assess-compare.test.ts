import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Comparison } from '../../core/operations/assess/compare.ts';
import { cli, pipelineFile } from '../support/cli.ts';
import { long } from '../support/long.ts';
import { type TestDatabase, database, ownServer, server } from '../support/servers.ts';

const watching = { shared_preload_libraries: 'pg_stat_statements' };

async function pair(): Promise<{ source: TestDatabase; target: TestDatabase; file: string }> {
  const source = await database(await ownServer(14, watching), 'compare_src');
  const target = await database(await ownServer(18, { ...watching, work_mem: '7MB' }), 'compare_dst');
  const file = await pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, name: new, url: "${target.url}" }]
`);
  return { source, target, file };
}

test('14 beside 18, in the long form after a cutover: settings and statements of both sides, no constants', async () => {
  const { source, target, file } = await pair();
  const item = `CREATE TABLE item (id int PRIMARY KEY, name text); INSERT INTO item VALUES (1, 'a');`;
  await source.query(`${item} CREATE EXTENSION pg_stat_statements`);
  if (!long) await target.query(item);
  const migrating = [
    ['run', '--stop-at', 'now'],
    ['cutover', '--quiet', '1ms'],
  ];
  for (const verb of long ? migrating : []) {
    const ran = await cli([verb[0]!, file, ...verb.slice(1)]);
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  }
  await source.query('SELECT pg_stat_statements_reset()');
  await target.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
  await target.query('SELECT pg_stat_statements_reset()');
  const statement = (value: string) => `SELECT name FROM item\n  WHERE name = '${value}'`;
  for (const value of ['secret one', 'secret two']) await source.query(statement(value));
  for (const value of ['secret one', 'secret two', 'secret three']) await target.query(statement(value));
  await target.query(`CREATE ROLE ${target.name} PASSWORD 'secret four'`);

  const json = await cli(['assess', file, '--compare', '--json']);
  assert.equal(json.code, 0, json.stderr);
  const [report] = JSON.parse(json.stdout) as readonly Comparison[];
  const found = report!.statements!.find(({ text }) => text.includes('FROM item'));
  assert.equal(found?.text, 'SELECT name FROM item WHERE name = $1');
  assert.deepEqual(found.calls, { source: 2, target: 3 });
  assert.ok(found.mean.source! > 0 && found.mean.target! > 0);
  const memory = report!.settings.find(({ name }) => name === 'work_mem');
  assert.deepEqual(memory, { name: 'work_mem', source: '4096 kB', target: '7168 kB' });
  assert.ok(
    !report!.settings.some(({ name }) => ['port', 'data_directory', 'session_replication_role'].includes(name)),
  );

  const text = await cli(['assess', file, '--compare']);
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /work_mem +4096 kB {2}→ {2}7168 kB/);
  assert.match(text.stdout, /SELECT name FROM item WHERE name = \$1 \(2 and 3 calls\)/);
  assert.doesNotMatch(json.stdout + text.stdout, /secret/);
});

test('without pg_stat_statements the settings are compared, and it is said; without a database it is an error of the file', async () => {
  const [source, target] = [await database(await server(17), 'src'), await database(await server(17), 'dst')];
  const file = await pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, name: new, url: "${target.url}" }]
`);
  const ran = await cli(['assess', file, '--compare']);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /statements are not compared: no pg_stat_statements to be read on the source and new\n/);
  const other = await pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: kafka, brokers: ["127.0.0.1:1"] }]
`);
  const refused = await cli(['assess', other, '--compare']);
  assert.equal(refused.code, 2, refused.stdout);
  assert.match(refused.stderr, /^PGS1060 /);
});
