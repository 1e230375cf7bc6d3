import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cli } from '../support/cli.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

/**
 * Checkpoints that an earlier version wrote (test/support/old-state: of a run that had copied and followed, with names, oids and
 * positions as placeholders) are taken up by this one.
 */
const fixtures = fileURLToPath(new URL('../support/old-state', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pgsluice-old-state-'));
after(() => rmSync(folder, { recursive: true }));
const on = await server(17);

interface Prepared {
  readonly source: TestDatabase;
  readonly target: TestDatabase;
  /** The checkpoint's text, for these databases. */
  readonly state: string;
  readonly values: Readonly<Record<string, string>>;
}

/** Databases as the earlier version had left them. */
async function prepare(kind: string): Promise<Prepared> {
  const [source, target] = [await database(on, 'old'), await database(on, 'old')];
  await source.query(`CREATE TABLE orders (id int PRIMARY KEY, state text, amount numeric(10,2));
    CREATE TABLE customer (id bigint PRIMARY KEY, mail text);
    INSERT INTO orders VALUES (2, 'paid', 2), (3, 'draft', 3); INSERT INTO customer VALUES (1, 'new')`);
  await target.query(`CREATE TABLE orders (id int PRIMARY KEY, state text, amount numeric(10,2));
    CREATE SCHEMA crm; CREATE TABLE crm.account (id bigint PRIMARY KEY, email text);
    INSERT INTO orders VALUES (2, 'paid', 2); INSERT INTO crm.account VALUES (1, 'new')`);
  const slot = source.name;
  await source.query(`CREATE PUBLICATION ${slot} FOR TABLE customer, orders`);
  const [made] = await source.query<{ lsn: string }>(
    `SELECT lsn::text FROM pg_create_logical_replication_slot('${slot}', 'pgoutput')`,
  );
  const [facts] = await source.query<Record<string, string>>(
    `SELECT system_identifier::text AS system, current_setting('server_version_num') AS version,
       'orders'::regclass::oid::text AS orders, 'customer'::regclass::oid::text AS customer,
       (SELECT oid::text FROM pg_publication WHERE pubname = '${slot}') AS publication FROM pg_control_system()`,
  );
  const values: Record<string, string> = {
    ...facts,
    'oid:orders': facts!['orders']!,
    'oid:customer': facts!['customer']!,
    database: source.name,
    slot,
    lsn: made!.lsn,
  };
  const text = readFileSync(join(fixtures, `${kind}.txt`), 'utf8');
  return { source, target, values, state: text.replaceAll(/\{([a-z:]+)\}/g, (_, name: string) => values[name]!) };
}

function writePipeline(directory: string, { source, target, values }: Prepared, checkpoint: string): string {
  mkdirSync(directory, { recursive: true });
  cpSync(join(fixtures, 'plain.ts'), join(directory, 'plain.ts'));
  const file = join(directory, 'pipeline.yaml');
  writeFileSync(
    file,
    `pipeline: old
source:
  plugin: postgres
  url: ${source.url}
  slot: { name: ${values['slot']} }
  publication: { name: ${values['slot']} }
transforms:
  - plugin: filter
    tables: public.orders
    where: state <> 'draft'
  - plugin: rename
    tables: public.customer
    to: crm.account
    columns: { mail: email }
sinks:
  - plugin: postgres
    url: ${target.url}
  - plugin: ./plain.ts
    name: plain
checkpoint: ${checkpoint}
`,
  );
  return file;
}

/** The target's own notes of the earlier version. */
async function writeTargetState({ target, values }: Prepared): Promise<void> {
  await target.query(readFileSync(join(fixtures, 'target.sql'), 'utf8'));
  await target.query(`INSERT INTO pgsluice.position (pipeline, sink, lsn, commit_time, updated)
    VALUES ('old', 'postgres', '${values['lsn']}', now(), now());
    INSERT INTO pgsluice.bulk (pipeline, sink, phase, restored) VALUES ('old', 'postgres', 'finished', 4);
    INSERT INTO pgsluice.bulk_table (pipeline, sink, source, relid, phase, altered, exact_at) VALUES
      ('old', 'postgres', 'public.customer', 'crm.account'::regclass, 'built', true, '${values['lsn']}'),
      ('old', 'postgres', 'public.orders', 'public.orders'::regclass, 'built', false, '${values['lsn']}');
    INSERT INTO pgsluice.large_object (pipeline, sink, up_to, done) VALUES ('old', 'postgres', 0, true)`);
}

async function goesOn(file: string, { source, target }: Prepared): Promise<void> {
  await source.query(`INSERT INTO orders VALUES (11, 'paid', 11.5), (12, 'draft', 1); DELETE FROM orders WHERE id = 2;
    UPDATE customer SET mail = 'newer'`);
  const status = await cli(['status', file, '--json']);
  assert.equal(status.stderr, '');
  const { phase, tables } = JSON.parse(status.stdout) as { phase: string; tables: readonly { state: string }[] };
  assert.equal(phase, 'stream');
  assert.deepEqual(new Set(tables.map(({ state }) => state)), new Set(['finished']));
  const run = await cli(['run', file, '--stop-at', 'now']);
  assert.equal(run.stderr, '');
  assert.deepEqual(await target.query('SELECT id, state, amount FROM orders'), [
    { id: 11, state: 'paid', amount: '11.50' },
  ]);
  assert.deepEqual(await target.query('SELECT email FROM crm.account'), [{ email: 'newer' }]);
  const verify = await cli(['verify', file]);
  assert.equal(verify.code, 0, verify.stdout + verify.stderr);
}

test('a checkpoint file of an earlier version is taken up, and the stream goes on from it', async () => {
  const prepared = await prepare('file');
  const directory = join(folder, 'file');
  const file = writePipeline(directory, prepared, '{ plugin: file }');
  mkdirSync(join(directory, '.pgsluice'));
  writeFileSync(join(directory, '.pgsluice/old.json'), prepared.state);
  await writeTargetState(prepared);
  await goesOn(file, prepared);
});

test('a checkpoint in the target of an earlier version is taken up, and the stream goes on from it', async () => {
  const prepared = await prepare('postgres');
  const file = writePipeline(join(folder, 'postgres'), prepared, `{ plugin: postgres, url: "${prepared.target.url}" }`);
  await writeTargetState(prepared);
  await prepared.target.query(`INSERT INTO pgsluice.checkpoint (pipeline, key, value)
    SELECT 'old', key, value FROM jsonb_each($state$${prepared.state}$state$)`);
  await goesOn(file, prepared);
});
