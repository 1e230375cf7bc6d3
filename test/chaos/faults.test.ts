import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LocalServer } from '../../core/servers/local-server.ts';
import { runSeed } from '../support/chaos/scenario.ts';
import { chaosSettings } from '../support/chaos/servers.ts';
import { long, short } from '../support/long.ts';

/** The short version of the fault suite (`node test/chaos/faults.ts --seeds 1-50`). */
let source: LocalServer;
let target: LocalServer;

before(async () => {
  [source, target] = (await Promise.all(
    // Not 15: its walsender may find no relation for a filenode after a restart (PGS2170).
    [16, 17].map((major) => LocalServer.start({ major, settings: chaosSettings })),
  )) as [LocalServer, LocalServer];
});
after(async () => {
  await source.remove();
  await target.remove();
});

for (const seed of short(1, [3, 1, 2])) {
  test(`faults at random moments under a random workload: equal row by row, the slot never ahead (seed ${seed})`, async () => {
    const [duration, faults] = long ? [4000, 4] : [2000, 2];
    const { findings, story, figures } = await runSeed({ seed, source, target, duration, faults });
    assert.deepEqual(findings, [], story.join('\n'));
    assert.ok(figures['transactions']! > 20, `${figures['transactions']} transactions`);
  });
}
