import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect, parseArgs } from 'node:util';
import { chosenFeatures, features } from './features.ts';
import { generate, pairs } from './generate.ts';
import { printed } from './told.ts';
import { type Outcome, runScript } from './runner.ts';
import type { Script } from './script.ts';
import { shrink } from './shrink.ts';
import { Servers } from './sides.ts';

/** `npm run fuzz -- --help`; CONTRIBUTING.md says how to read what it prints. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1-100' },
    seed: { type: 'string' },
    script: { type: 'string' },
    pairs: { type: 'string' },
    size: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    seconds: { type: 'string' },
    keep: { type: 'string', default: 'test-output/fuzz' },
    features: { type: 'string' },
    without: { type: 'string' },
    'no-shrink': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const help = `npm run fuzz -- [options]
  --seeds 1-1000      which seeds (1-100); --seed N: one of them
  --pairs 14-18,17-17 which pairs of servers (${pairs.map((pair) => pair.join('-')).join(', ')})
  --size N            tables and statements of each seed, times N (1)
  --jobs N            seeds at a time (2)
  --seconds N         begin no seed after so long
  --features a,b      only these; all: the known open ones, too
  --without a,b       not these
  --script FILE       a script that was kept, instead of seeds
  --keep DIR          scripts and logs of faults (test-output/fuzz)
  --no-shrink         print the whole script of a fault
  --verbose           print the script and all output of the product
features:
${Object.entries(features)
  .map(([name, what]) => `  ${name.padEnd(16)} ${what}`)
  .join('\n')}`;

function seedsOf(text: string): number[] {
  const [from, to = from] = text.split('-').map(Number);
  return Array.from({ length: to! - from! + 1 }, (_, i) => from! + i);
}

function pairsOf(text: string | undefined): readonly (readonly [number, number])[] {
  if (text === undefined) return pairs;
  return text.split(',').map((pair) => pair.split('-').map(Number) as [number, number]);
}

async function main(): Promise<void> {
  if (values.help) return console.log(help);
  // From sources newer than the bundle each start takes three times the CPU.
  spawnSync(process.execPath, ['scripts/prepare.js'], { stdio: 'ignore' });
  const chosen = chosenFeatures(values.features, values.without);
  const among = pairsOf(values.pairs);
  const scripts: (() => Promise<Script>)[] =
    values.script !== undefined
      ? [async () => JSON.parse(await readFile(values.script!, 'utf8')) as Script]
      : seedsOf(values.seed ?? values.seeds).map(
          (seed) => async () => generate(seed, (name) => chosen.has(name), { among, size: Number(values.size) }),
        );
  const until = Date.now() + Number(values.seconds ?? 1e6) * 1000;
  const classes = new Map<string, number[]>();
  const totals = { seeds: 0, faulty: 0, done: 0, runs: 0 };
  const started = Date.now();
  const lane = async () => {
    // A new slot waits for the transactions of the whole server, so each lane has servers of its own.
    await using servers = new Servers();
    for (let make = scripts.shift(); make !== undefined && Date.now() < until; make = scripts.shift()) {
      const script = await make();
      const outcome = await attempt(script, servers);
      totals.seeds++;
      totals.done += outcome.done;
      totals.runs += outcome.runs;
      await tell(script, outcome, servers);
      if (outcome.faults.length === 0) continue;
      totals.faulty++;
      for (const kind of new Set(outcome.faults.map((fault) => fault.class)))
        classes.set(kind, [...(classes.get(kind) ?? []), script.seed]);
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, lane));
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(
    `${totals.seeds - totals.faulty} of ${totals.seeds} seeds ok in ${seconds} s: ${totals.done} statements, ${totals.runs} runs`,
  );
  for (const [kind, seeds] of classes) console.log(`  ${kind}: ${seeds.join(',')}`);
  process.exitCode = totals.faulty > 0 ? 1 : 0;
}

/** A fuzzer that breaks is a fault as well. */
async function attempt(script: Script, servers: Servers): Promise<Outcome> {
  try {
    return await runScript(script, servers);
  } catch (error) {
    const { code = 'error' } = error as { code?: string };
    const text = error instanceof Error ? `${error.message}\n${error.stack}` : inspect(error);
    return { faults: [{ class: `fuzzer:${code}`, text }], log: '', done: 0, failed: 0, runs: 0, ms: 0 };
  }
}

async function tell(script: Script, outcome: Outcome, servers: Servers): Promise<void> {
  const { seed, from, to } = script;
  const head = `seed ${seed} (${from} to ${to}, ${script.tables.length} tables, ${outcome.done} statements, ${outcome.failed} refused, ${outcome.runs} runs, ${(outcome.ms / 1000).toFixed(1)} s)`;
  if (values.verbose) console.log(`${printed(script)}\n${outcome.log}`);
  if (outcome.faults.length === 0) return console.log(`${head} ok`);
  const kind = outcome.faults[0]!.class;
  const flags = (['features', 'without', 'pairs', 'size'] as const).flatMap((name) => {
    const value = values[name];
    return value === undefined || value === '1' ? [] : [`--${name} ${value}`];
  });
  console.log(`${head} FAULT ${kind}\n${outcome.faults.map(({ text }) => indented(text)).join('\n')}`);
  console.log(`  again: npm run fuzz -- ${[`--seed ${seed}`, ...flags].join(' ')} --verbose`);
  await keep(script, outcome, `seed-${seed}`);
  if (values['no-shrink'] || kind.startsWith('fuzzer')) return;
  let last = outcome;
  const fails = async (smaller: Script) => {
    const found = await attempt(smaller, servers);
    if (!found.faults.some((fault) => fault.class === kind)) return false;
    last = found;
    return true;
  };
  const smallest = await shrink(script, fails, { tries: 150, until: Date.now() + 240_000 });
  await keep(smallest, last, `seed-${seed}-small`);
  console.log(
    `  smallest script of seed ${seed} (${values.keep}/seed-${seed}-small.json):\n${indented(printed(smallest))}\n${last.faults.map(({ text }) => indented(text)).join('\n')}`,
  );
}

const indented = (text: string): string =>
  text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');

async function keep(script: Script, outcome: Outcome, name: string): Promise<void> {
  await mkdir(values.keep, { recursive: true });
  await writeFile(join(values.keep, `${name}.json`), `${JSON.stringify(script, null, 1)}\n`);
  await writeFile(
    join(values.keep, `${name}.log`),
    [printed(script), ...outcome.faults.map(({ text }) => text), outcome.log].join('\n\n'),
  );
}

await main();
