import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect, parseArgs } from 'node:util';
import { LocalServer } from '../../core/servers/local-server.ts';
import { type Outcome, runSeed } from '../support/chaos/scenario.ts';
import { chaosSettings, pairOf } from '../support/chaos/servers.ts';

/**
 * The fault suite: `node test/chaos/faults.ts --seeds 1-50 [--jobs 2] [--seconds 12] [--faults 6] [--out DIR]`.
 * A failing seed is repeated by its number. Exit code 1 when a seed found something; its logs are in the folder.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1-50' },
    jobs: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '12' },
    faults: { type: 'string', default: '6' },
    out: { type: 'string', default: 'test-output/chaos' },
  },
});

function seedsOf(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [from, to = from] = part.split('-').map(Number);
    return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i);
  });
}

const queue = seedsOf(values.seeds);
const failed: number[] = [];
const sums: Record<string, number> = {};

async function lane(): Promise<void> {
  let servers: readonly LocalServer[] = [];
  let pair = '';
  const end = async () => {
    for (const server of servers) await server.remove();
    servers = [];
  };
  for (let seed = queue.shift(); seed !== undefined; seed = queue.shift()) {
    const [from, to] = pairOf(seed);
    const key = `${from}-${to}`;
    if (servers.length === 0 || pair !== key) {
      await end();
      const start = (major: number) => LocalServer.start({ major, settings: chaosSettings });
      servers = [await start(from), await start(to)];
      pair = key;
    }
    const [source, target] = servers as [LocalServer, LocalServer];
    const more = { duration: Number(values.seconds) * 1000, faults: Number(values.faults) };
    try {
      await report(await runSeed({ seed, source, target, ...more }));
    } catch (error) {
      console.log(`seed ${seed} BROKE ${inspect(error, { showHidden: true })}`);
      failed.push(seed);
      await end();
    }
  }
  await end();
}

async function report(outcome: Outcome): Promise<void> {
  const { seed, findings, figures, story } = outcome;
  for (const [name, value] of Object.entries(figures)) sums[name] = (sums[name] ?? 0) + value;
  const words = Object.entries(figures).map(([name, value]) => `${value} ${name}`);
  console.log(`seed ${seed} ${findings.length === 0 ? 'ok' : 'FAILED'} (${outcome.variant}): ${words.join(', ')}`);
  if (findings.length === 0) return;
  failed.push(seed);
  console.log([...story, ...findings].map((line) => `  ${line}`).join('\n'));
  await mkdir(values.out, { recursive: true });
  await writeFile(join(values.out, `seed-${seed}.log`), [...story, ...findings, outcome.logs].join('\n'));
}

const count = queue.length;
await Promise.all(Array.from({ length: Number(values.jobs) }, lane));
const total = Object.entries(sums).map(([name, value]) => `${value} ${name}`);
console.log(`${count - failed.length} of ${count} seeds ok (${total.join(', ')})`);
if (failed.length > 0) console.log(`failed: ${failed.sort((a, b) => a - b).join(',')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
