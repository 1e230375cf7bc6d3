import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CliProcess } from '../support/cli.ts';
import { server } from '../support/servers.ts';
import { killPoints, newCopy, Witness, writeUntil } from './copy-kills.ts';

const servers = { from: await server(15), to: await server(17) };

/**
 * Named places in the order in which a run comes by; each run dies at one, and the next goes on from there. Foreign keys
 * are not among them: between tables of different snapshots, which kills make, they are made at the cut-over.
 */
const places = [
  'dumped',
  'restore',
  'restored',
  'altered',
  'set-aside',
  'prepared',
  'loaded',
  'loaded',
  'index',
  'constraint',
  'built',
  'loaded',
  'built',
  'partitioned',
  'foreign-keys-done',
  'refresh',
  'trigger',
];

test('killed at every named place of the copy, with a writer: nothing is lost, nothing finished is done again', async () => {
  const run = await newCopy(servers, 300, '50MB/s');
  const stop = new AbortController();
  const writer = writeUntil(run.source.url, 300, stop.signal);
  const witness = new Witness(run);
  const met: string[] = [];
  for (const place of places) {
    const killed = new CliProcess(['run', run.file, '--log', 'json', '--stop-at', 'now'], {
      PGSLUICE_FAILPOINT: `${place}:kill`,
    });
    const { stderr, code } = await killed.ended;
    assert.equal(stderr, '', place);
    await witness.look(killed);
    if (killed.process.signalCode === 'SIGKILL') met.push(place);
    else assert.equal(code, 0, place);
  }
  stop.abort();
  assert.ok((await writer) > 50);
  for (const place of new Set(places)) assert.ok(met.includes(place), `${place} was not met`);
  await witness.end();
});

test('killed at random points of the copy and index phases, with writers: identical in the end', async (t) => {
  await killPoints(4, Date.now() % 100_000, (line) => t.diagnostic(line));
});
