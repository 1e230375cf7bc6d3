import assert from 'node:assert/strict';
import { test } from 'node:test';
import { migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

test('the values that differ are shown when asked for, and otherwise never', { timeout: 240_000 }, async () => {
  const { source, target, verb, run } = await migration({
    from: await server(14),
    to: await server(17),
    more: [
      'transforms:',
      '  - { plugin: rename, tables: public.keyed, columns: { v: value } }',
      '  - { plugin: mask, tables: public.keyed, columns: { card: redact } }',
    ].join('\n'),
  });
  await source.query(`
    CREATE TABLE keyed (id int PRIMARY KEY, v text, card text, long text);
    INSERT INTO keyed SELECT g, 'planted-' || g, 'planted-card', repeat('x', 5000) || 'y' FROM generate_series(1, 50) g;
    CREATE TABLE keyless (a int, b text); ALTER TABLE keyless REPLICA IDENTITY FULL;
    INSERT INTO keyless SELECT g, 'planted-' || g FROM generate_series(1, 50) g`);
  await run();
  await target.query(`SET session_replication_role = replica;
    UPDATE keyed SET value = 'planted-other' WHERE id = 3;
    UPDATE keyed SET value = NULL, long = repeat('x', 5000) || 'planted-z' WHERE id = 4;
    DELETE FROM keyed WHERE id = 5;
    INSERT INTO keyed VALUES (60, 'planted-extra', 'planted-card', '');
    INSERT INTO keyless SELECT * FROM keyless WHERE a = 7`);

  for (const more of [[], ['--json'], ['--debug']]) {
    const { code, stdout, stderr } = await verb('verify', ...more);
    assert.equal(code, 4, stderr);
    assert.doesNotMatch(stdout + stderr, /planted|xxxx/);
  }

  const shown = await verb('verify', '--values', '--debug', '--log', 'json');
  assert.equal(shown.code, 4, shown.stderr);
  assert.doesNotMatch(shown.stderr, /planted|xxxx/);
  const lines = shown.stdout.split('\n').map((line) => line.trim());
  const after = (row: string, count: number) => lines.slice(lines.indexOf(row) + 1, lines.indexOf(row) + 1 + count);
  assert.deepEqual(after('differs  3', 2), ['value  source "planted-3"', 'value  target "planted-other"']);
  const x = 'x'.repeat(30);
  assert.deepEqual(after('differs  4', 4), [
    'value  source "planted-4"',
    'value  target NULL',
    `long  source …"${x}y" (5001 characters)`,
    `long  target …"${x}planted-z" (5009 characters)`,
  ]);
  const [id, value, card] = after('missing  5', 3);
  assert.deepEqual([id, value], ['id  source "5"', 'value  source "planted-5"']);
  assert.match(card!, /^card {2}source /);
  assert.doesNotMatch(card!, /planted/, 'what the file masks stays masked');
  assert.deepEqual(after('extra    60', 2), ['id  target "60"', 'value  target "planted-extra"']);
  assert.match(shown.stdout, /extra {4}[0-9a-f]{32}\n {6}a {2}target "7"\n {6}b {2}target "planted-7"\n/);

  const few = await verb('verify', '--values', '--limit', '1', '--json');
  const report = JSON.parse(few.stdout) as {
    tables: { table: string; comparison: { differences: { key: string; values?: object }[] } }[];
  };
  const keyed = report.tables.find(({ table }) => table === 'public.keyed')!.comparison.differences;
  assert.deepEqual([keyed.length, typeof keyed[0]!.values], [1, 'object']);
});
