import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { Describer } from '../../../../plugins/source-postgres/describe.ts';
import { KeptClient } from '../../../../plugins/source-postgres/kept-client.ts';
import { ask, type SourceAccess } from '../../../../plugins/source-postgres/session.ts';
import type { WireRelation } from '../../../../plugins/source-postgres/stream/wire.ts';
import { database, server, type TestDatabase } from '../../../support/servers.ts';
import { silent } from '../../../support/stream-source.ts';

const on = await server(17);

function access(url: string): SourceAccess {
  const names = { name: 'source', application: 'pgsluice kept', slot: 's', publication: 'p' };
  return {
    connection: { url },
    ...names,
    log: silent.log,
    owner: { pipeline: 'p', ownership: null },
    kept: new KeptClient(),
  };
}

async function pid(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ pid: string }>('SELECT pg_backend_pid()::text AS pid');
  return rows[0]!.pid;
}

/** Our sessions that the server has. */
async function sessions(db: TestDatabase): Promise<number> {
  const [row] = await db.query<{ n: string }>(
    `SELECT count(*)::text AS n FROM pg_stat_activity WHERE application_name = 'pgsluice kept' AND datname = current_database()`,
  );
  return Number(row!.n);
}

async function until(what: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await what()); tries++) {
    assert.ok(tries < 500, 'it did not come');
    await sleep(10);
  }
}

test('questions that follow each other share a connection, which closes soon behind the last', async () => {
  const db = await database(on, 'kept');
  const to = access(db.url);
  const first = await ask(to, null, pid);
  assert.equal(await ask(to, null, pid), first);
  const two = await Promise.all([ask(to, null, pid), ask(to, null, pid)]);
  assert.equal(new Set(two).size, 2, 'one session has one question at a time');
  assert.ok(two.includes(first));
  await until(async () => (await sessions(db)) === 0);
});

test('a kept connection that the server ended, or whose question was aborted or failed, is not used again', async () => {
  const db = await database(on, 'kept');
  const to = access(db.url);
  const first = await ask(to, null, pid);
  await db.query(`SELECT pg_terminate_backend(${first})`);
  await until(async () => (await sessions(db)) === 0);
  const second = await ask(to, null, pid);
  assert.notEqual(second, first);
  await assert.rejects(
    ask(to, null, (client) => client.query('BEGIN; SELECT 1/0')),
    { code: 'PGS2007' },
  );
  const third = await ask(to, null, pid);
  assert.notEqual(third, second);
  const control = new AbortController();
  const slow = ask(to, control.signal, (client) => client.query('SELECT pg_sleep(60)'));
  control.abort(new Error('stopped'));
  await assert.rejects(slow, /stopped/);
  assert.notEqual(await ask(to, null, pid), third);
});

test('what is disposed keeps nothing, also of a question under way', async () => {
  const db = await database(on, 'kept');
  const to = access(db.url);
  await ask(to, null, pid);
  const slow = ask(to, null, (client) => client.query('SELECT pg_sleep(0.2)'));
  await to.kept[Symbol.asyncDispose]();
  await slow;
  await until(async () => (await sessions(db)) === 0);
});

test('relations: a connection that failed ahead of one stretch is not what the next one meets', async () => {
  const db = await database(on, 'kept');
  await db.query('CREATE TABLE t (id int PRIMARY KEY)');
  const connection = { url: 'postgres://x:y@127.0.0.1:1/none' };
  await using describer = new Describer({ ...access(db.url), connection }, {});
  describer.connect();
  await sleep(200);
  connection.url = db.url;
  describer.connect();
  const relation = await describer.describe(await wireOf(db), null);
  assert.deepEqual(relation.primaryKey, [0]);
});

test('relations: a held connection that the server ended is made again', async () => {
  const db = await database(on, 'kept');
  await db.query('CREATE TABLE t (id int PRIMARY KEY)');
  await using describer = new Describer(access(db.url), {});
  const wire = await wireOf(db);
  await describer.describe(wire, null);
  await db.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgsluice kept'`);
  await until(async () => (await sessions(db)) === 0);
  await sleep(50);
  assert.deepEqual((await describer.describe(wire, null)).primaryKey, [0]);
});

async function wireOf(db: TestDatabase): Promise<WireRelation> {
  const [table] = await db.query<{ oid: string }>(`SELECT 't'::regclass::oid::text AS oid`);
  const columns = [{ name: 'id', type: 23, typmod: -1, key: true, typeName: null }];
  return { oid: Number(table!.oid), schema: 'public', name: 't', identity: 'd', columns };
}
