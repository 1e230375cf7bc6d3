import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { cli, CliProcess } from '../support/cli.ts';
import { ownServer, type TestDatabase } from '../support/servers.ts';
import { leftovers, shop } from '../support/shop.ts';

const transforms = `
  - plugin: filter
    tables: shop.visit_*
    where: agent <> 'bot'
  - plugin: rename
    tables: shop.customer
    to: crm.account
    columns: { mail: email }
  - plugin: set
    tables: shop.product
    columns:
      gross: { expr: price * 1.19, type: "numeric(12,2)" }
`;

async function ready(cut: CliProcess): Promise<void> {
  while (!cut.stdout.includes('ready:')) {
    if (cut.process.exitCode !== null) assert.fail(cut.stdout + cut.stderr);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What applications write once they have moved. */
async function writeOnTarget(target: TestDatabase, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i++) {
    await target.query(`
      INSERT INTO crm.account (email, name) VALUES ('moved${i}@example.org', 'Moved ${i}');
      WITH o AS (INSERT INTO shop.orders (customer_id, total) VALUES (1 + ${i} % 50, ${i}) RETURNING id)
      INSERT INTO shop.order_line (order_id, line, product_id, quantity, price) SELECT id, 1, 1 + ${i} % 5, 2, 3.50 FROM o;
      UPDATE shop.product SET stock = stock - 1 WHERE id = 1 + ${i} % 5;
      DELETE FROM shop.order_line WHERE order_id = (SELECT min(order_id) FROM shop.order_line);`);
  }
}

/** What happens on the way in every longer migration: first of all the next month's partition. */
async function nextMonth(source: TestDatabase): Promise<void> {
  await source.query(`CREATE TABLE shop.visit_2026_05 PARTITION OF shop.visit FOR VALUES FROM ('2026-05-01') TO ('2026-06-01');
    INSERT INTO shop.visit SELECT nextval('shop.visit_id'), '2026-05-03', 1, '/may/' || i, CASE WHEN i % 5 = 0 THEN 'bot' ELSE 'browser' END, i
    FROM generate_series(1, 100) i`);
}

interface Told {
  readonly file: string;
  readonly source: TestDatabase;
  readonly target: TestDatabase;
  readonly run: CliProcess;
}

/** Then an index, and a transaction that somebody prepared and forgot. Each is told before the GO, and what is printed mends it. */
async function toldBeforeGo({ file, source, target, run }: Told): Promise<void> {
  await run.until('tables-added');
  assert.match(run.stdout, /visit_2026_05/);
  // It is told before it is made, and becomes a partition there once its rows are in.
  const may = `SELECT count(*)::int AS n FROM shop.visit WHERE path LIKE '/may/%'`;
  while ((await target.query<{ n: number }>(may))[0]!.n < 80) await new Promise((resolve) => setTimeout(resolve, 100));
  await source.query('CREATE INDEX customer_phone ON shop.customer (phone)');
  await source.query(
    `BEGIN; INSERT INTO shop.customer (mail, name) VALUES ('prepared@example.org', 'Left open'); PREPARE TRANSACTION 'left open'`,
  );
  const open = await cli(['cutover', file, '--wait', '2s']);
  assert.equal(open.code, 1, open.stdout + open.stderr);
  assert.match(open.stderr, /PGS7040.*prepared transaction 'left open'.*ROLLBACK PREPARED 'left open';/);
  assert.doesNotMatch(open.stdout, /^GO/m);
  await source.query(`COMMIT PREPARED 'left open'`);
  const refused = await cli(['cutover', file, '--wait', '2s']);
  assert.equal(refused.code, 4, refused.stdout + refused.stderr);
  const missing = refused.stdout.match(/^ +MISSING .*$/gm) ?? [];
  assert.equal(missing.length, 1, refused.stdout);
  const statement = /index crm\.customer_phone .*→ (CREATE INDEX .*;)$/.exec(missing[0]!)?.[1];
  assert.ok(statement, missing[0]);
  await target.query(statement);
}

test('from the README to a finished cutover, and back again, with live writes', { timeout: 1_200_000 }, async () => {
  const from = await ownServer(15, { max_prepared_transactions: '10', wal_level: 'logical' });
  const { source, target, file, name, writers } = await shop({ from, to: 17, scale: 0.01, transforms });
  const back = join(dirname(file), 'back.yaml');
  for (const verb of ['validate', 'check', 'plan'] as const) {
    const told = await cli([verb, file]);
    assert.equal(told.code, 0, told.stdout + told.stderr);
  }
  await using writing = writers();
  writing.start(3);
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('snapshot-finished');
  const status = await cli(['status', file, '--json']);
  assert.equal((JSON.parse(status.stdout) as { phase: string }).phase, 'stream', status.stderr);
  const verify = await cli(['verify', file]);
  assert.equal(verify.code, 0, verify.stdout + verify.stderr);

  await nextMonth(source);
  await toldBeforeGo({ file, source, target, run });
  const cut = new CliProcess(['cutover', file, '--way-back', back]);
  await ready(cut);
  await writing.stop();
  const moved = await cut.ended;
  assert.equal(moved.code, 0, moved.stdout + moved.stderr);
  assert.equal((await run.ended).code, 0);
  assert.ok(writing.transactions > 0);
  const still = await cli(['verify', file]);
  assert.equal(still.code, 0, still.stdout + still.stderr);
  assert.deepEqual(await leftovers(source), []);
  assert.deepEqual(await leftovers(target), [`publication pgsluice_${name}_back`, `slot pgsluice_${name}_back`]);

  await writeOnTarget(target, 0, 20);
  const runBack = new CliProcess(['run', back, '--log', 'json']);
  await runBack.until('stream-started');
  let stop = false;
  const moving = (async () => {
    for (let i = 20; !stop; i++) await writeOnTarget(target, i, 1);
  })();
  const compared = await cli(['verify', back]);
  assert.equal(compared.code, 4, 'rows that the filter left out are still in the old source');
  assert.match(compared.stdout, /ok +crm\.account/);
  assert.doesNotMatch(compared.stdout, /DIFFERS +(?! |shop\.visit)/);
  const cutBack = new CliProcess(['cutover', back, '--verify', 'none']);
  await ready(cutBack);
  stop = true;
  await moving;
  const returned = await cutBack.ended;
  assert.equal(returned.code, 0, returned.stdout + returned.stderr);
  assert.equal((await runBack.ended).code, 0);
  assert.deepEqual(await leftovers(target), []);
  const sums = `count(*)::text || ' ' || coalesce(sum(hashtext(s::text)), 0)`;
  for (const [there, here] of [
    ['SELECT id, email, name FROM crm.account', 'SELECT id, mail, name FROM shop.customer'],
    ['SELECT * FROM shop.orders', 'SELECT * FROM shop.orders'],
    ['SELECT * FROM shop.order_line', 'SELECT * FROM shop.order_line'],
    ['SELECT id, stock, price FROM shop.product', 'SELECT id, stock, price FROM shop.product'],
  ] as const) {
    const [a] = await target.query<{ s: string }>(`SELECT ${sums} AS s FROM (${there}) s`);
    const [b] = await source.query<{ s: string }>(`SELECT ${sums} AS s FROM (${here}) s`);
    assert.equal(b!.s, a!.s, here);
  }
  const [open] = await target.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM crm.account WHERE email = 'prepared@example.org'`,
  );
  assert.equal(open!.n, 1);
  const [next] = await source.query<{ id: string }>(
    `INSERT INTO shop.customer (mail, name) VALUES ('home@again', 'x') RETURNING id::text AS id`,
  );
  const [last] = await target.query<{ id: string }>('SELECT max(id)::text AS id FROM crm.account');
  assert.equal(BigInt(next!.id), BigInt(last!.id) + 1n);
});
