import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { chosenFeatures } from './features.ts';
import { generate } from './generate.ts';
import { runScript } from './runner.ts';
import type { Script } from './script.ts';
import { Servers } from './sides.ts';
import { printed } from './told.ts';
import { long } from '../support/long.ts';

/** A fixed range of seeds, then the scripts of faults that have no test of their own (found/*.json). `npm run fuzz` runs more seeds. */
const servers = new Servers();
after(() => servers[Symbol.asyncDispose]());

const chosen = chosenFeatures(undefined, undefined);
const script = (seed: number) => generate(seed, (feature) => chosen.has(feature));

for (let seed = 1; seed <= (long ? 30 : 5); seed++) test(`seed ${seed}`, () => holds(script(seed)));

for (const file of globSync('found/*.json', { cwd: import.meta.dirname }).sort())
  test(`found: ${file}`, () => holds(JSON.parse(readFileSync(join(import.meta.dirname, file), 'utf8')) as Script));

test('the same seed makes the same script', () => {
  for (const seed of [1, 7, 100, 12_345]) assert.deepEqual(script(seed), script(seed));
  assert.notDeepEqual(script(1).steps, script(2).steps);
});

async function holds(one: Script): Promise<void> {
  const { faults } = await runScript(one, servers);
  assert.deepEqual(faults, [], printed(one));
}
