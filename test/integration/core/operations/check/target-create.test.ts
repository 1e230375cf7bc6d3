import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Finding } from '../../../../../core/api/check.ts';
import { cli, pipelineFile } from '../../../../support/cli.ts';
import { database, server } from '../../../../support/servers.ts';

test('schemas of the target in which the role may not create are named, also for types and renames; the statements help', async () => {
  const [source, target] = [
    await database(await server(17), 'create_src'),
    await database(await server(17), 'create_dst'),
  ];
  await source.query(`CREATE TYPE mood AS ENUM ('good'); CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, m mood);
    CREATE SCHEMA other; CREATE TABLE other.u (id int PRIMARY KEY); CREATE SCHEMA empty`);
  const role = `${target.name}_mover`;
  await target.query(
    `CREATE ROLE ${role} LOGIN PASSWORD 'local-only'; GRANT CREATE ON DATABASE ${target.name} TO ${role};
     CREATE SCHEMA "New"; CREATE SCHEMA app; GRANT CREATE ON SCHEMA app TO ${role}; CREATE SCHEMA empty; CREATE SCHEMA theirs`,
  );
  // What was granted went with the database.
  after(() => target.server.query(`DROP ROLE ${role}`));
  const url = target.server.url(target.name, role);
  const file = await pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
transforms: [{ plugin: rename, tables: other.u, to: New.u }]
sinks: [{ plugin: postgres, url: "${url}" }]
`);
  const errors = async () => {
    const { stdout } = await cli(['check', file, '--json']);
    const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
    return findings.filter(({ level }) => level === 'error');
  };
  const found = await errors();
  assert.deepEqual(
    found.map(({ check, message }) => `${check}: ${message}`),
    ['New', 'app', 'public'].map((schema) => `target-create: ${role} may not create objects in the schema ${schema}`),
  );
  for (const { remedy } of found) await target.query(remedy!);
  assert.deepEqual(await errors(), []);
  const ran = await cli(['run', file, '--stop-at', 'now']);
  assert.equal(ran.code, 0, ran.stderr);
  // What is made already needs no right to make it.
  await target.query(`REVOKE CREATE ON SCHEMA public FROM ${role}`);
  assert.deepEqual(await errors(), []);
});
