import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { short } from '../support/long.ts';
import { server } from '../support/servers.ts';

await Promise.all([14, 17, 18].map((major) => server(major)));

for (const [from, to] of short(1, [
  [14, 18],
  [18, 14],
  [17, 17],
  [18, 18],
] as const)) {
  test(`rows of tables with nothing but generated columns are counted and copied: ${from} to ${to}`, async () => {
    const pipeline = await live({
      from,
      to,
      source: `CREATE TABLE g (a int GENERATED ALWAYS AS (1 + 1) STORED, "B c" text GENERATED ALWAYS AS ('x' || 'y') STORED);
        ALTER TABLE g REPLICA IDENTITY FULL; CREATE TABLE o (id int PRIMARY KEY);
        INSERT INTO g SELECT FROM generate_series(1, 3); INSERT INTO o VALUES (1);`,
    });
    const { source, target } = pipeline;
    const check = await pipeline.verb('check');
    assert.equal(check.code, 0, check.stdout + check.stderr);
    await pipeline.settle();
    assert.equal(await pipeline.same('SELECT * FROM g', 'SELECT * FROM g'), 3);
    await source.query('INSERT INTO g SELECT FROM generate_series(1, 30)');
    await source.query('DELETE FROM g WHERE ctid IN (SELECT ctid FROM g LIMIT 4)');
    await source.query('UPDATE g SET a = DEFAULT');
    await pipeline.settle();
    assert.equal(await pipeline.same('SELECT * FROM g', 'SELECT * FROM g'), 29);
    const equal = await pipeline.verb('verify');
    assert.equal(equal.code, 0, equal.stdout + equal.stderr);
    await target.query('INSERT INTO g DEFAULT VALUES');
    const differs = await pipeline.verb('verify', '--fresh');
    assert.equal(differs.code, 4, differs.stdout);
    assert.match(differs.stdout, /DIFFERS +public\.g/);
  });
}

for (const to of short(1, [14, 18])) {
  test(`a key that holds a stored generated column finds rows where the source is 18: 18 to ${to}`, async () => {
    const pipeline = await live({
      from: 18,
      to,
      source: `CREATE TABLE one (v text, a int, b int GENERATED ALWAYS AS (a * 2) STORED PRIMARY KEY, n numeric);
        CREATE TABLE two (b text GENERATED ALWAYS AS ('k' || a) STORED, a text, part int, v text, UNIQUE (part, b));
        ALTER TABLE two ALTER b SET NOT NULL, ALTER part SET NOT NULL; ALTER TABLE two REPLICA IDENTITY USING INDEX two_part_b_key;
        CREATE TABLE three (a text, b text GENERATED ALWAYS AS (left(a, 1)) STORED, c int, v text, PRIMARY KEY (c, b));
        INSERT INTO one (a, v) SELECT i, 'v' FROM generate_series(1, 60) i;
        INSERT INTO two (a, part, v) SELECT 'a' || i, i % 3, 'v' FROM generate_series(1, 60) i;
        INSERT INTO three (a, c, v) SELECT chr(97 + i % 20) || i, i, repeat(md5(i::text), 400) FROM generate_series(1, 60) i;`,
      yaml: `transforms: [{ plugin: rename, tables: public.two, to: public.zwei, columns: { b: "B", v: w } }, { plugin: filter, tables: public.three, where: c > 3 }]`,
    });
    const { source } = pipeline;
    const check = await pipeline.verb('check');
    assert.equal(check.code, 0, check.stdout + check.stderr);
    const same = async () => {
      await pipeline.same('SELECT * FROM one', 'SELECT * FROM one');
      await pipeline.same('SELECT a, part, b AS "B", v AS w FROM two', 'SELECT a, part, "B", w FROM zwei');
      await pipeline.same('SELECT * FROM three WHERE c > 3', 'SELECT * FROM three');
    };
    await pipeline.settle();
    await same();
    const work = [
      `UPDATE one SET v = 'w' WHERE b = 4`,
      'UPDATE one SET a = 1000 WHERE b = 6',
      'UPDATE one SET a = a + 2000 WHERE a BETWEEN 20 AND 40',
      'DELETE FROM one WHERE b IN (2, 8)',
      `UPDATE two SET v = 'w' WHERE part = 1`,
      `UPDATE two SET a = 'moved' || a WHERE part = 2`,
      'DELETE FROM two WHERE part = 0',
      `UPDATE three SET c = c + 100 WHERE c > 50`,
      `UPDATE three SET a = 'z' || a WHERE c BETWEEN 10 AND 30`,
      `UPDATE three SET a = b || 'same' WHERE c < 10`,
      'UPDATE three SET c = 2 WHERE c = 40',
      'UPDATE three SET c = 240 WHERE c = 1',
      'DELETE FROM three WHERE c = 31',
    ];
    for (const sql of work) await source.query(sql);
    await pipeline.settle();
    await same();
    await source.query(
      work.map((sql) => sql.replace(/\d+/g, (n) => (Number(n) > 5 ? `${Number(n) + 1}` : n))).join(';'),
    );
    await pipeline.settle();
    await same();
    const equal = await pipeline.verb('verify');
    assert.equal(equal.code, 0, equal.stdout + equal.stderr);
    const plan = await pipeline.verb('plan');
    assert.match(plan.stdout, /find rows by B, which the source sends though it is generated/);
  });
}

test('a key with a generated column that no source sends is refused, with a statement that works', async () => {
  const pipeline = await live({
    from: 17,
    to: 18,
    source: `CREATE TABLE g (a int, b int GENERATED ALWAYS AS (a * 2) STORED PRIMARY KEY);
      INSERT INTO g (a) SELECT generate_series(1, 20)`,
  });
  const refused = await pipeline.toNow();
  assert.equal(refused.code, 2, refused.stderr);
  const remedy = /run on the source: (ALTER TABLE [^;]*;)/.exec(refused.stderr)?.[1];
  assert.ok(remedy, refused.stderr);
  await pipeline.source.query(remedy);
  await pipeline.settle();
  await pipeline.source.query('UPDATE g SET a = a + 100 WHERE a > 10; DELETE FROM g WHERE a = 3');
  await pipeline.settle();
  assert.equal(await pipeline.same('SELECT * FROM g', 'SELECT * FROM g'), 19);
});
