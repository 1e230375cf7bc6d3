import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cli, pipelineFile } from '../support/cli.ts';
import { database, server } from '../support/servers.ts';

test('init writes a file that passes validate, check and plan, and never the password', {
  timeout: 120_000,
}, async () => {
  const [source, target] = [await database(await server(17), 'ini'), await database(await server(17), 'ini')];
  await source.query(`CREATE SCHEMA "Odd name"; CREATE TABLE "Odd name"."a""b" (id int PRIMARY KEY);
    CREATE TABLE orders (id int PRIMARY KEY, created_at date); CREATE TABLE log (line text)`);
  const file = join(dirname(await pipelineFile('')), 'made.yaml');
  const env = { SOURCE_URL: source.url, TARGET_URL: target.url };
  const none = await cli(['init', '--output', file], { SOURCE_URL: '' });
  assert.notEqual(none.code, 0);
  const made = await cli(['init', file, '--pipeline', 'first'], env);
  assert.equal(made.code, 0, made.stderr);
  const text = await readFile(file, 'utf8');
  assert.doesNotMatch(text, /local-only/);
  assert.match(text, /ALTER TABLE public\.log REPLICA IDENTITY FULL;/);
  assert.equal((await cli(['validate', file], env)).code, 0);
  // The table without a key is told by the file and by check; with the statement that both name, check passes.
  assert.equal((await cli(['check', file], env)).code, 3);
  await source.query('ALTER TABLE public.log REPLICA IDENTITY FULL');
  const check = await cli(['check', file], env);
  assert.equal(check.code, 0, check.stdout + check.stderr);
  const plan = await cli(['plan', file], env);
  assert.equal(plan.code, 0, plan.stderr);
  assert.match(plan.stdout, /Odd name\.a"b/);
  // What stands there as an example works once its # is taken off.
  await writeFile(file, text.replace(/^# (?=transforms:|  - plugin|    )/gm, ''));
  const examples = await cli(['plan', file], env);
  assert.equal(examples.code, 0, examples.stderr);
  assert.match(examples.stdout, /WHERE \("created_at" >= |_moved/);
  const exists = await cli(['init', file], env);
  assert.equal(exists.code, 2);
  assert.match(exists.stderr, /PGS6013/);
  const shown = await cli(['init', '--output', '-', '--source', source.url]);
  assert.equal(shown.code, 0);
  assert.match(shown.stdout, /^pipeline: move$/m);
});
