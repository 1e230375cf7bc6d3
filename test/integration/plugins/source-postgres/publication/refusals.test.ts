import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { readDefinition } from '../../../../../plugins/source-postgres/publication/definition.ts';
import { lookAt } from '../../../../../plugins/source-postgres/publication/look.ts';
import { definitionProblems } from '../../../../../plugins/source-postgres/publication/publishable.ts';
import { database, server } from '../../../../support/servers.ts';

/** Every way to have a key, times every replica identity, times what can be said of a table in a publication. */
const tables: Readonly<Record<string, string>> = {
  none: 'a int NOT NULL, b int, c int',
  primary: 'a int PRIMARY KEY, b int, c int',
  deferrable: 'a int PRIMARY KEY DEFERRABLE, b int, c int',
  wide: 'a int, b int, c int, PRIMARY KEY (a) INCLUDE (b)',
  stored: 'a int PRIMARY KEY, b int, c int GENERATED ALWAYS AS (a * 2) STORED',
  storedKey: 'a int NOT NULL, b int, c int GENERATED ALWAYS AS (a * 2) STORED PRIMARY KEY',
  storedNone: 'a int NOT NULL, b int, c int GENERATED ALWAYS AS (a * 2) STORED',
};
const virtual: Readonly<Record<string, string>> = {
  virtual: 'a int PRIMARY KEY, b int, c int GENERATED ALWAYS AS (a * 2) VIRTUAL',
  virtualNone: 'a int NOT NULL, b int, c int GENERATED ALWAYS AS (a * 2) VIRTUAL',
};
const identities = ['DEFAULT', 'FULL', 'NOTHING', 'USING INDEX', 'index gone'] as const;
const entries = ['', ' (a)', ' (b)', ' (a, c)', ' WHERE (a > 0)', ' WHERE (b > 0)', ' (a, b) WHERE (b > 0)'];
const publishes = ['insert, update, delete, truncate', 'insert, truncate', 'delete'];

const setUp = (columns: string, identity: (typeof identities)[number]): string => {
  const index = identity === 'USING INDEX' || identity === 'index gone';
  return `DROP TABLE IF EXISTS t; CREATE TABLE t (${columns}); CREATE UNIQUE INDEX t_a ON t (a); INSERT INTO t (a, b) VALUES (1, 1);
    ALTER TABLE t REPLICA IDENTITY ${index ? 'USING INDEX t_a' : identity}; ${identity === 'index gone' ? 'DROP INDEX t_a' : ''}`;
};

/** All that can be said of the table in a publication of this major. */
function publications(major: number): readonly string[] {
  const options = major >= 18 ? [', publish_generated_columns = stored', ', publish_generated_columns = none'] : [''];
  const actions = publishes.flatMap((publish) => options.map((option) => `publish = '${publish}'${option}`));
  const said = major === 14 ? [''] : entries;
  return said.flatMap((entry) => actions.map((action) => `FOR TABLE ONLY t${entry} WITH (${action})`));
}

async function judge(client: pg.Client, major: number, label: string): Promise<'refused' | 'allowed'> {
  const refused = await refusedNow(client);
  const definition = (await readDefinition(client, 'p'))!;
  const oids = definition.tables.map(({ oid }) => oid);
  const problems = await definitionProblems(client, definition, { version: major * 10_000, tables: oids });
  assert.equal(problems.length > 0, refused, `${label}: ${problems[0]?.what ?? 'no problem seen'}`);
  const { suspects } = await lookAt(client, 'p');
  if (refused) assert.deepEqual(suspects, oids, `${label}: not even suspected`);
  return refused ? 'refused' : 'allowed';
}

for (const major of [14, 15, 16, 17, 18]) {
  test(`what ${major} refuses because of a publication is foreseen, case by case`, { timeout: 300_000 }, async () => {
    const db = await database(await server(major), 'refuse');
    const client = new pg.Client({ connectionString: db.url });
    await client.connect();
    const seen = { refused: 0, allowed: 0 };
    for (const [kind, columns] of Object.entries({ ...tables, ...(major >= 18 ? virtual : {}) })) {
      for (const identity of identities) {
        await client.query(setUp(columns, identity));
        for (const sql of publications(major)) {
          // A generated column in a list, before 18: it cannot be made at all.
          const made = await client.query(`CREATE PUBLICATION p ${sql}`).catch(() => null);
          if (made === null) continue;
          seen[await judge(client, major, [kind, identity, sql].join(' | '))]++;
          await client.query('DROP PUBLICATION p');
        }
      }
    }
    await client.end();
    assert.ok(seen.refused > 20 && seen.allowed > 50, JSON.stringify(seen));
  });
}

/** Asks the server itself: an UPDATE or DELETE that it would refuse is refused in EXPLAIN, too, and changes nothing. */
async function refusedNow(client: pg.Client): Promise<boolean> {
  let refused = false;
  for (const sql of ['EXPLAIN UPDATE t SET b = 5', 'EXPLAIN DELETE FROM t']) {
    await client.query(sql).catch((error: pg.DatabaseError) => {
      assert.match(error.message, /cannot (update|delete from) table "t"/);
      refused = true;
    });
  }
  return refused;
}
