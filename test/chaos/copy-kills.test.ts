import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CliProcess } from '../support/cli.ts';
import { long } from '../support/long.ts';
import { server } from '../support/servers.ts';
import { killPoints, newCopy, Witness, writeUntil } from './copy-kills.ts';

const servers = { from: await server(15), to: await server(17) };

/**
 * Named places of the copy. Each run dies at the first that no run died at yet, and the next goes on from there; in which
 * order they come depends on which table is done first. Foreign keys are not among them: between tables of different
 * snapshots, which kills make, they are made at the cutover.
 */
const places = [
  'dumped',
  'restore',
  'restored',
  'altered',
  'set-aside',
  'prepared',
  'loaded',
  'index',
  'constraint',
  'built',
  'partitioned',
  'foreign-keys-done',
  'refresh',
  'keep-off',
];

test('killed at every named place of the copy, with a writer: nothing is lost, nothing finished is done again', async () => {
  const run = await newCopy(servers, 300, '50MB/s');
  const stop = new AbortController();
  const writer = writeUntil(run.source.url, 300, stop.signal);
  const witness = new Witness(run);
  const left = new Set([...places, 'never']);
  for (;;) {
    const killed = new CliProcess(['run', run.file, '--log', 'json', '--stop-at', 'now'], {
      PGSLUICE_FAILPOINT: [...left].map((place) => `${place}:kill`).join(','),
    });
    const { stderr, code } = await killed.ended;
    await witness.look(killed);
    if (killed.process.signalCode !== 'SIGKILL') {
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      break;
    }
    assert.ok(left.delete(stderr.trimEnd()), stderr);
  }
  stop.abort();
  assert.ok((await writer) > 50);
  assert.deepEqual([...left], ['never']);
  await witness.end();
});

test('killed at random points of the copy and index phases, with writers: identical in the end', async (t) => {
  await killPoints(long ? 4 : 2, Date.now() % 100_000, (line) => t.diagnostic(line));
});
