import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cli, CliProcess, pipelineFile } from '../support/cli.ts';
import { database, ownServer, server, type TestDatabase } from '../support/servers.ts';

/**
 * I11: secrets are planted where they could leak – passwords in every form a URL has, row values in rows that fail – and
 * everything that a run prints, with --debug, is searched for them.
 */
const recent = await server(17);
const ascii = await ownServer(16);

/** A password with what URLs escape; as it is, escaped in part, escaped whole, and what is left if it is cut at a mark. */
const password = 'pl4nt@d:s/cr&t#pw';
const partly = encodeURIComponent(password);
const wholly = [...Buffer.from(password)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
const passwordForms = [password, partly, wholly, 'pl4nt', 's/cr&t', 'cr&t#pw', 's%2Fcr%26t', 'cr%26t'];

/** A value of a row; whatever part of it a message could quote. */
const value = 'Xq7planted';
const hex = Buffer.from(value).toString('hex');
const valueForms = [value, hex, 'q7plant', '0x58 0x71', '9876543219'];

function clean(text: string, secrets: readonly string[], what: string): void {
  for (const secret of secrets) {
    const at = text.toLowerCase().indexOf(secret.toLowerCase());
    assert.equal(at, -1, `${what} shows ${secret}: …${text.slice(Math.max(0, at - 200), at + 100)}…`);
  }
}

interface Stage {
  readonly source: TestDatabase;
  readonly target: TestDatabase;
  readonly file: string;
}

async function stage(source: TestDatabase, target: TestDatabase, more: string, sink = ''): Promise<Stage> {
  const file = await pipelineFile(`pipeline: ${source.name}
source:
  plugin: postgres
  url: ${source.url}
${more}sinks:
  - plugin: postgres
    url: ${target.url}
${sink}`);
  return { source, target, file };
}

/** Runs to its failure with all that can be logged; the code must be there, the planted value must not. */
async function fails({ file }: Stage, code: RegExp, log: 'json' | 'pretty' = 'json'): Promise<void> {
  const { stdout, stderr, code: exit } = await cli(['run', file, '--debug', '--log', log]);
  assert.equal(exit, 1, `${stdout}${stderr}`);
  assert.match(stderr, code);
  clean(`${stdout}${stderr}`, valueForms, `run with ${code}`);
}

async function both(prefix: string): Promise<{ source: TestDatabase; target: TestDatabase }> {
  return { source: await database(recent, `${prefix}_src`), target: await database(recent, `${prefix}_dst`) };
}

test('a row that a constraint of the target refuses, in the copy', async () => {
  const { source, target } = await both('check');
  await source.query(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, '${value}')`);
  await target.query(`CREATE TABLE t (id int PRIMARY KEY, v text CONSTRAINT short CHECK (length(v) < 5))`);
  const at = await stage(source, target, '', '    schema: existing\n');
  await fails(at, /PGS3010 .*short/, 'pretty');
  const { stdout } = await cli(['status', at.file, '--json']);
  assert.match(stdout, /"failure": "PGS3010 /);
  clean(stdout, valueForms, 'status');
});

test('a type of the target that refuses the value, in the copy', async () => {
  const { source, target } = await both('type');
  await source.query(`CREATE TABLE t (id int PRIMARY KEY, v text, n bigint); INSERT INTO t VALUES (1, '${value}', 1)`);
  await target.query(`CREATE TABLE t (id int PRIMARY KEY, v uuid, n bigint)`);
  const at = await stage(source, target, '', '    schema: existing\n');
  await fails(at, /PGS30\d\d/);
});

test('a duplicate, a check and a number out of range, in the stream', async () => {
  for (const [prefix, prepare, sql] of [
    ['dup', 'CREATE UNIQUE INDEX one ON t (v)', `INSERT INTO t VALUES (3, '${value}', 1), (4, '${value}', 1)`],
    ['con', `ALTER TABLE t ADD CONSTRAINT short CHECK (length(v) < 5)`, `INSERT INTO t VALUES (3, '${value}', 1)`],
    ['num', 'ALTER TABLE t ALTER n TYPE smallint', `INSERT INTO t VALUES (3, 'a', 9876543219)`],
  ] as const) {
    const { source, target } = await both(prefix);
    await source.query(`CREATE TABLE t (id int PRIMARY KEY, v text, n bigint); INSERT INTO t VALUES (1, 'a', 1)`);
    const at = await stage(source, target, '');
    const first = await cli(['run', at.file, '--stop-at', 'now']);
    assert.equal(first.code, 0, first.stderr);
    await target.query(prepare);
    await source.query(sql);
    await fails(at, /PGS31\d\d/);
  }
});

test('bytes that are no text of the encoding, and a character that the target lacks', async () => {
  await ascii.query(`CREATE DATABASE raw ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0`);
  await ascii.query(`CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
  const on = (name: string): TestDatabase => ({
    name,
    url: ascii.url(name),
    server: ascii,
    query: (sql) => ascii.query(sql, name),
  });
  const target = await database(recent, 'utf_dst');
  await on('raw').query(`SET client_encoding = 'SQL_ASCII'; CREATE TABLE t (id int PRIMARY KEY, v text);
    INSERT INTO t VALUES (1, '${value}' || E'\\xff' || '${value}')`);
  const raw = await stage(on('raw'), target, '');
  const { stdout, stderr, code } = await cli(['run', raw.file, '--debug', '--log', 'json', '--skip-check', 'encoding']);
  assert.equal(code, 1, stdout + stderr);
  clean(stdout + stderr, [...valueForms, '0xff'], 'bytes that are no UTF-8');
  const source = await database(recent, 'utf_src');
  await source.query(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, '${value}→')`);
  const latin = await stage(source, on('latin'), '');
  const second = await cli(['run', latin.file, '--debug', '--log', 'json']);
  assert.equal(second.code, 1, second.stdout + second.stderr);
  clean(second.stdout + second.stderr, [...valueForms, '0xe2', '→'], 'a character that the target lacks');
});

test('a cast that fails, in the copy and in the stream', async () => {
  const { source, target } = await both('cast');
  await source.query(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, '12')`);
  const more = `transforms:\n  - plugin: set\n    tables: public.t\n    columns: { v: "v::integer" }\n`;
  const at = await stage(source, target, more);
  const first = await cli(['run', at.file, '--stop-at', 'now']);
  assert.equal(first.code, 0, first.stderr);
  await source.query(`INSERT INTO t VALUES (2, '${value}')`);
  await fails(at, /PGS\d{4} /);
  const again = await both('cast2');
  await again.source.query(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, '${value}')`);
  await fails(await stage(again.source, again.target, more), /PGS\d{4} /);
});

test('a script that throws what it was given', async () => {
  const { source, target } = await both('script');
  await source.query(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, '${value}')`);
  const at = await stage(
    source,
    target,
    'transforms:\n  - plugin: script\n    tables: public.t\n    module: ./parse.mjs\n',
  );
  await mkdir(dirname(at.file), { recursive: true });
  await writeFile(
    join(dirname(at.file), 'parse.mjs'),
    'export default (rows) => rows.map((row) => JSON.parse(row.v));\n',
  );
  await fails(at, /PGS4063 .*SyntaxError at parse\.mjs:1:\d+/);
  const shown = await cli(['run', at.file, '--debug-values']);
  assert.match(shown.stderr, new RegExp(value), 'asked for, it is shown');
});

test('a password in a URL, in any form, with servers that refuse or do not answer', async () => {
  const { source, target } = await both('pw');
  const at = `127.0.0.1:${new URL(source.url).port}/${source.name}`;
  await source.query('CREATE TABLE t (id int PRIMARY KEY)');
  const urls = [
    `postgres://postgres:${partly}@${at}`,
    `postgres://postgres:${wholly}@${at}`,
    `postgres://postgres@${at}?password=${partly}`,
    `postgres://postgres:${partly}@127.0.0.1:1/none`,
    `postgres://postgres:${partly}@no-such-host.invalid/none`,
    `postgres://postgres:${partly}@${at}?sslmode=sometimes`,
    // Not escaped: the URL means something else then, and the message must not show what.
    `postgres://postgres:${password}@${at}`,
  ];
  for (const url of urls) {
    for (const verb of url === urls[0] ? ['run', 'check', 'status', 'plan'] : ['run']) {
      const file = await pipelineFile(`pipeline: pw
source: { plugin: postgres, url: "\${PLANTED_URL}" }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
      const { stdout, stderr, code } = await cli([verb, file, '--debug', '--log', 'json'], { PLANTED_URL: url });
      assert.notEqual(code, 0, `${verb} ${url}: ${stdout}`);
      clean(stdout + stderr, passwordForms, `${verb} with ${url}`);
    }
  }
});

test('a run that does well, with its password in the URL, over all its phases', async (t) => {
  const { source, target } = await both('well');
  const role = `role_${source.name}`;
  await recent.query(`CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD '${password}'`);
  const withRole = (url: string) => url.replace('postgres:local-only', `${role}:${partly}`);
  await source.query(`CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, '${value}')`);
  const file = await pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${withRole(source.url)}" }
sinks: [{ plugin: postgres, url: "${withRole(target.url)}" }]
http: 127.0.0.1:0
`);
  const run = new CliProcess(['run', file, '--debug', '--log', 'json']);
  t.after(() => run.process.kill('SIGKILL'));
  await run.until('caught-up');
  await source.query(`INSERT INTO t VALUES (2, '${value}'); UPDATE t SET v = '${value}2'`);
  const url = String(run.events('http-listening')[0]?.['url']);
  for (const path of ['/status.json', '/metrics', '/readyz', '/history.json', '/']) {
    clean(await (await fetch(url + path)).text(), [...passwordForms, ...valueForms], path);
  }
  run.process.kill('SIGTERM');
  const { stdout, stderr, code } = await run.ended;
  assert.equal(code, 0, stderr);
  clean(stdout + stderr, [...passwordForms, ...valueForms], 'run');
  for (const args of [['plan'], ['status'], ['verify'], ['cutover'], ['cleanup', '--yes']]) {
    const ended = await cli([...args, file, '--debug', '--log', 'json']);
    clean(ended.stdout + ended.stderr, [...passwordForms, ...valueForms], args.join(' '));
  }
  await recent.query(`DROP OWNED BY ${role}`);
});
