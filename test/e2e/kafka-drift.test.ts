import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli, pipelineFile } from '../support/cli.ts';
import { brokers, kafkaAvailable, unique } from '../support/kafka.ts';
import { type ReadRecord, readAll } from '../support/kafka-read.ts';
import { onlyLong } from '../support/long.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

if (await kafkaAvailable()) {
  const postgres = await server(17);
  const addresses = await brokers();
  const kafka = `{ plugin: kafka, brokers: [${addresses.map((one) => `"${one}"`).join(', ')}], partitions: 1 }`;

  async function pipeline(source: TestDatabase, sinks: string, more = 'tables: { include: ["*.*"] }') {
    await source.query(`CREATE TABLE a (id int PRIMARY KEY, note text); INSERT INTO a VALUES (1, 'x')`);
    const file = await pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}", ${more} }
sinks: [${sinks}]
checkpoint: { plugin: file, path: ./${unique('state')}.json }
`);
    const run = () => cli(['run', file, '--stop-at', 'now', '--log', 'json']);
    const rows = async (of = 'a') => (await readAll(addresses, [`${source.name}.public.${of}`])).map(rowOf);
    return { run, rows };
  }

  function rowOf({ value }: ReadRecord): unknown {
    const { op, after } = JSON.parse(value as string) as { op: string; after: unknown };
    return [op, after];
  }

  test('DDL on the source stops a pipeline into topics once, behind what came before; whoever starts again has agreed', async () => {
    const source = await database(postgres, 'kd');
    const { run, rows } = await pipeline(source, kafka);
    const first = await run();
    assert.equal(first.code, 0, first.stderr);
    const columns = [
      [
        'ALTER TABLE a ADD COLUMN more int DEFAULT 7',
        `INSERT INTO a VALUES (3, 'z', 8)`,
        { id: 3, note: 'z', more: 8 },
      ],
      ['ALTER TABLE a DROP COLUMN note', `INSERT INTO a VALUES (4, 9)`, { id: 4, more: 9 }],
    ] as const;
    await source.query(`INSERT INTO a VALUES (2, 'y')`);
    const want: unknown[] = [
      ['r', { id: 1, note: 'x' }],
      ['c', { id: 2, note: 'y' }],
    ];
    for (const [statement, insert, row] of columns) {
      await source.query(statement);
      await source.query(insert);
      const stopped = await run();
      assert.equal(stopped.code, 1, stopped.stderr);
      assert.match(stopped.stderr, /^PGS4012 .*run again when their readers are ready/);
      assert.doesNotMatch(stopped.stderr, /the target|ALTER TABLE/);
      assert.deepEqual(await rows(), want, 'what came before, and nothing of the new shape');
      const again = await run();
      assert.equal(again.code, 0, again.stderr);
      want.push(['c', row]);
      assert.deepEqual(await rows(), want);
    }
  });

  test('DDL while the first copy is broken off: it is told of what is copied, and nothing is lost', {
    skip: onlyLong,
  }, async () => {
    const source = await database(postgres, 'kd');
    const { run, rows } = await pipeline(
      source,
      `{ plugin: kafka, brokers: [${addresses.map((one) => `"${one}"`).join(', ')}], partitions: 1, not_finite: error }`,
      'snapshot: { workers: 1 }',
    );
    // Read behind the larger one; its first row has no form.
    await source.query(`INSERT INTO a SELECT g, repeat('x', 1000) FROM generate_series(2, 500) g;
      CREATE TABLE b (id int PRIMARY KEY, n numeric); INSERT INTO b VALUES (1, 'NaN')`);
    const broken = await run();
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /^PGS5007 /);
    assert.equal((await rows('a')).length, 500);
    await source.query(`DELETE FROM b; INSERT INTO b VALUES (2, 1); INSERT INTO a VALUES (501, 'old')`);
    await source.query('ALTER TABLE a ADD COLUMN more int; ALTER TABLE b ADD COLUMN more int');
    await source.query(`INSERT INTO a VALUES (502, 'new', 7); INSERT INTO b VALUES (3, 2, 7)`);
    // Of `a` once. The rows of `b` are read in the new shape; what the stream has of it from before in either shape stops nothing.
    const ended = await run();
    assert.match(ended.stderr, /^PGS4012 .*table public\.a,.*run again when their readers are ready/);
    const again = await run();
    assert.equal(again.code, 0, again.stderr);
    assert.deepEqual((await rows('a')).slice(500), [
      ['c', { id: 501, note: 'old' }],
      ['c', { id: 502, note: 'new', more: 7 }],
    ]);
    const records = await readAll(addresses, [`${source.name}.public.b`]);
    const last = new Map(records.map(({ key, value }) => [key, value]));
    assert.match(last.get('{"id":2}')!, /"after":\{"id":2,"n":\{"scale":0,"value":"AQ=="\}/);
    assert.match(last.get('{"id":3}')!, /"after":\{"id":3,"n":\{"scale":0,"value":"Ag=="\},"more":7\}/);
    assert.equal(last.get('{"id":1}') ?? null, null, 'deleted since');
  });

  test('a target beside the topics is altered, then both go on', async () => {
    const source = await database(postgres, 'kd');
    const target = await database(postgres, 'kd_to');
    const { run, rows } = await pipeline(source, `{ plugin: postgres, url: "${target.url}" }, ${kafka}`);
    const first = await run();
    assert.equal(first.code, 0, first.stderr);
    await source.query('ALTER TABLE a ADD COLUMN more int DEFAULT 7');
    await source.query(`INSERT INTO a VALUES (2, 'y', 8)`);
    const stopped = await run();
    assert.equal(stopped.code, 1, stopped.stderr);
    assert.match(stopped.stderr, /^PGS4012 /);
    await target.query('ALTER TABLE a ADD COLUMN more int DEFAULT 7');
    // Whichever sink met it first has told of it; the other one may do so now.
    let rest = await run();
    if (rest.code !== 0) rest = await run();
    assert.equal(rest.code, 0, rest.stderr);
    assert.deepEqual(await target.query('SELECT id, note, more FROM a ORDER BY id'), [
      { id: 1, note: 'x', more: 7 },
      { id: 2, note: 'y', more: 8 },
    ]);
    const [read, ...changes] = await rows();
    assert.deepEqual(read, ['r', { id: 1, note: 'x' }]);
    assert.ok(changes.length > 0);
    for (const change of changes) assert.deepEqual(change, ['c', { id: 2, note: 'y', more: 8 }]);
  });
}
