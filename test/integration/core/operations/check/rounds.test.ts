import assert from 'node:assert/strict';
import { test } from 'node:test';
import { statementsOf } from '../../../../../core/operations/check/statements.ts';
import type { Finding } from '../../../../../core/api/check.ts';
import { database, server } from '../../../../support/servers.ts';
import { calm, postgresSource } from '../../../../support/source-context.ts';

await server(14);
await server(18);

for (const major of [14, 18]) {
  test(`one round of statements is enough: unlogged tables, without keys, that refer to each other, on ${major}`, async () => {
    const db = await database(await server(major), 'rounds');
    await db.query(`
      CREATE UNLOGGED TABLE "z z" (id int PRIMARY KEY); CREATE UNLOGGED TABLE y (id int UNIQUE NOT NULL REFERENCES "z z", v text);
      CREATE UNLOGGED TABLE a (id int REFERENCES y (id)); CREATE UNLOGGED TABLE loop (id int PRIMARY KEY REFERENCES loop);
      CREATE TABLE indexed (id int NOT NULL, "d;d" int); CREATE UNIQUE INDEX "i;x" ON indexed (id);
      CREATE TABLE later (id int PRIMARY KEY DEFERRABLE);`);
    for (let i = 0; i < 12; i++) await db.query(`CREATE TABLE bare_${i} (id int, v text)`);
    const findings = async (): Promise<Finding[]> => {
      await using source = postgresSource({ url: db.url }, db.name);
      const found: Finding[] = [];
      await source.check({ add: (finding) => void found.push(finding) }, calm);
      return found.filter(({ level }) => level === 'error');
    };
    const first = await findings();
    assert.equal(first.filter(({ subject }) => subject === 'source').length, 1, JSON.stringify(first));
    await db.query(statementsOf(first));
    assert.deepEqual(await findings(), []);
  });
}
