import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Finding } from '../../../../../core/api/check.ts';
import { cli, pipelineFile } from '../../../../support/cli.ts';
import { database, server } from '../../../../support/servers.ts';

test('a schema of the target in which the role may not create is named, and its statement helps', async () => {
  const [source, target] = [
    await database(await server(17), 'create_src'),
    await database(await server(17), 'create_dst'),
  ];
  await source.query('CREATE TABLE t (id int PRIMARY KEY)');
  const role = `${target.name}_mover`;
  await target.query(
    `CREATE ROLE ${role} LOGIN PASSWORD 'local-only'; GRANT CREATE ON DATABASE ${target.name} TO ${role}`,
  );
  after(() => target.server.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`, target.name));
  const url = target.server.url(target.name, role);
  const file = await pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, url: "${url}" }]
`);
  const errors = async () => {
    const { stdout } = await cli(['check', file, '--json']);
    const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
    return findings.filter(({ level }) => level === 'error');
  };
  const [found, ...others] = await errors();
  assert.deepEqual(others, []);
  assert.equal(found?.check, 'target-create');
  assert.match(found.message, /may not create tables in the schema public/);
  await target.query(found.remedy!);
  assert.deepEqual(await errors(), []);
});
