import assert from 'node:assert/strict';
import { test } from 'node:test';
import { live } from '../support/live.ts';
import { server } from '../support/servers.ts';

await Promise.all([14, 18].map((major) => server(major)));

/** A query under row-level security would leave rows out in silence. */
for (const [from, to] of [
  [14, 18],
  [18, 14],
] as const) {
  test(`row-level security hides no row from the copy, the stream or verify: ${from} to ${to}`, async () => {
    const pipeline = await live({
      from,
      to,
      owners: true,
      source: `CREATE TABLE g (id int PRIMARY KEY, v text); ALTER TABLE g ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY few ON g USING (id < 3); INSERT INTO g VALUES (1, 'seen');
        CREATE TABLE plain (id int PRIMARY KEY, v text); INSERT INTO plain SELECT i, 'v' FROM generate_series(1, 9) i;`,
    });
    const { source, target } = pipeline;
    // A superuser's rows, which the owner does not see.
    await source.server.query('INSERT INTO g SELECT i, $$hidden$$ FROM generate_series(3, 9) i', source.name);
    const refused = await pipeline.toNow();
    assert.equal(refused.code, 3, refused.stderr);
    assert.match(refused.stderr, /row level security of public\.g is forced on the owner/);
    const remedy = /(ALTER TABLE [^;]*;)/.exec(refused.stderr)?.[1];
    assert.equal(remedy, 'ALTER TABLE public.g NO FORCE ROW LEVEL SECURITY;');
    // Without the checks it is the copy that stops, and nothing of the table arrives.
    const unchecked = await pipeline.verb('run', '--skip-check', 'row-security', '--stop-at', 'now');
    assert.equal(unchecked.code, 1, unchecked.stderr);
    assert.match(unchecked.stderr, /row-level security/);
    await source.query(remedy);
    await pipeline.settle();
    assert.equal(await pipeline.same('SELECT * FROM plain', 'SELECT * FROM plain'), 9);
    const arrived = await target.server.query('SELECT * FROM g', target.name);
    assert.equal(arrived.length, 8);
    // Set later, it keeps nothing from the stream; whoever compares is told.
    await source.query('ALTER TABLE plain ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');
    await source.server.query(`INSERT INTO plain SELECT i, 'late' FROM generate_series(10, 12) i`, source.name);
    await pipeline.settle();
    assert.equal((await target.server.query('SELECT * FROM plain', target.name)).length, 12);
    const verify = await pipeline.verb('verify', '--fresh');
    assert.notEqual(verify.code, 0, verify.stdout);
    assert.match(verify.stderr + verify.stdout, /row-level security/);
  });
}
