import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { CliProcess } from '../support/cli.ts';
import { migration, type Migration } from '../support/migration.ts';
import { server } from '../support/servers.ts';

/** As some drivers do: every transaction says READ WRITE, a broken connection is made again. Ends when told. */
class Writer {
  readonly done: Promise<void>;
  /** Ids whose COMMIT was acknowledged. */
  readonly committed: number[] = [];
  refused = 0;
  #stop = false;

  constructor(url: string, from: number) {
    this.done = this.#write(url, from);
  }

  stop(): Promise<void> {
    this.#stop = true;
    return this.done;
  }

  async #write(url: string, from: number): Promise<void> {
    let client: pg.Client | null = null;
    for (let id = from; !this.#stop; ) {
      try {
        client ??= await connect(url);
        await client.query(`BEGIN READ WRITE; INSERT INTO item VALUES (${id}); COMMIT`);
        this.committed.push(id++);
      } catch {
        this.refused++;
        await client?.end().catch(() => {});
        client = null;
      }
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await client?.end().catch(() => {});
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return client;
}

async function ids(m: Migration, side: 'source' | 'target'): Promise<readonly number[]> {
  return (await m[side].query<{ id: number }>('SELECT id FROM item ORDER BY id')).map(({ id }) => id);
}

const cases = [
  { fence: [], major: 17 },
  { fence: ['--fence', 'triggers'], major: 14 },
  { fence: ['--fence', 'read_only'], major: 18 },
  { fence: ['--fence', 'revoke'], major: 15 },
  { fence: ['--fence', 'terminate'], major: 16 },
] as const;

for (const { fence, major } of cases) {
  test(`nothing of writers that go on is on the old source only: ${fence.join(' ') || 'no --fence'}, ${major}`, {
    timeout: 600_000,
  }, async () => {
    const from = await server(major);
    const m = await migration({ from, to: await server(17) });
    await m.source.query('CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item SELECT generate_series(1, 10)');
    await m.run();
    // One is the superuser, who is the owner, too.
    const writers = [new Writer(m.source.url, 1000), new Writer(m.source.url, 100_000)];
    const cut = new CliProcess(['cutover', m.file, ...fence, '--quiet', '100ms', '--verify', 'none']);
    const ended = await cut.ended;
    await new Promise((resolve) => setTimeout(resolve, 500));
    await Promise.all(writers.map((writer) => writer.stop()));
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    assert.match(ended.stdout, /^the fence holds: tried to write as .*postgres/m);
    assert.match(ended.stdout, /^GO [^]*^nothing was written on the source after the GO$/m);
    const [here, there] = [await ids(m, 'source'), await ids(m, 'target')];
    assert.deepEqual(there, here);
    const acknowledged = writers.flatMap(({ committed }) => committed);
    assert.deepEqual(
      acknowledged.filter((id) => !there.includes(id)),
      [],
    );
    assert.ok(
      writers.every(({ refused }) => refused > 0),
      'each of them met the fence',
    );
  });
}

test('without a fence, what is written after the GO is told, and slot and publication are kept', {
  timeout: 600_000,
}, async () => {
  const m = await migration({ from: await server(16), to: await server(17) });
  await m.source.query('CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item SELECT generate_series(1, 10)');
  await m.run();
  const cut = new CliProcess(['cutover', m.file, '--fence', 'none', '--quiet', '3s', '--verify', 'none']);
  while (!cut.stdout.includes('\nGO ')) {
    assert.equal(cut.process.exitCode, null, cut.stdout + cut.stderr);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await m.source.query('INSERT INTO item VALUES (11), (12); DELETE FROM item WHERE id = 1');
  const ended = await cut.ended;
  assert.equal(ended.code, 4, ended.stdout + ended.stderr);
  assert.match(ended.stderr, /PGS7045.* 3 changes in public\.item/);
  const slots = await m.source.query(`SELECT FROM pg_replication_slots WHERE database = '${m.source.name}'`);
  assert.equal(slots.length, 1);
  const again = await m.verb('cutover', '--fence', 'none', '--quiet', '10ms');
  assert.equal(again.code, 4, again.stdout + again.stderr);
  const accepted = await m.verb('cutover', '--quiet', '10ms', '--accept', 'public.item');
  assert.equal(accepted.code, 0, accepted.stdout + accepted.stderr);
  assert.match(accepted.stdout, /^accepted: 3 changes in public\.item$/m);
});
