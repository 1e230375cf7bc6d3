import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { freePort } from '../../core/servers/free-port.ts';
import { CliProcess, pipelineFile } from '../support/cli.ts';
import { database, server } from '../support/servers.ts';

test('SIGHUP: a wrong or unsafe file is refused with its reason and the run goes on; what can be taken up is', {
  timeout: 120_000,
}, async () => {
  const [source, target] = [await database(await server(17), 'hup'), await database(await server(17), 'hup')];
  await source.query(
    `CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1, 'x')`,
  );
  const file = await pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}", tables: { include: [a, b] } }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
  const yaml = await readFile(file, 'utf8');
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('stream-started');
  let refusals = 0;
  const refused = async (text: string, reason: RegExp) => {
    await writeFile(file, text);
    run.process.kill('SIGHUP');
    await run.until('file-refused', ++refusals);
    assert.match(String(run.events('file-refused').at(-1)!['message']), reason);
  };
  await refused(`${yaml}nonsense: 1\n`, /goes on with the file as it was: .*PGS10\d\d/);
  await refused(
    yaml.replace('sinks:', 'transforms: [{ plugin: filter, tables: a, where: "id >" }]\nsinks:'),
    /PGS41\d\d/,
  );
  await refused(
    yaml.replace('sinks:', 'transforms: [{ plugin: filter, tables: a, where: id > 5 }]\nsinks:'),
    /transforms\[0\]: not given → filter of a .*refused: .*start over/,
  );
  await refused(yaml.replace('include: [a, b] }', 'include: [a, b] }, slot: { name: other }'), /source\.slot\.name/);
  await refused(yaml.replace('[a, b]', '[a]'), /no longer chooses public\.b/);
  await refused(yaml.replace(`pipeline: ${source.name}`, 'pipeline: another'), /another pipeline/);
  await refused(yaml.replace('[a, b]', '[a, b, nope]'), /PGS2101/);
  await source.query(`INSERT INTO a VALUES (2, 'still followed')`);
  const port = await freePort();
  await writeFile(file, `${yaml}http: ${port}\nlimit: { rate: 5MB/s }\n`);
  run.process.kill('SIGHUP');
  await run.until('http-listening');
  assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);
  const told = run.events('file-changed').map((event) => event['message']);
  assert.ok(told.includes(`http: off → 127.0.0.1:${port}`), JSON.stringify(told));
  await source.query(`INSERT INTO a VALUES (3, 'and still')`);
  run.process.kill('SIGHUP');
  await run.until('file-unchanged');
  while ((await target.query('SELECT FROM a')).length < 3) await new Promise((resolve) => setTimeout(resolve, 50));
  run.process.kill('SIGTERM');
  const ended = await run.ended;
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(ended.stderr.trim().split('\n').length, 1, ended.stderr);
});
