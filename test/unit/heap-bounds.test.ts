import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const module = new URL('../../core/operations/run/heap-bounds.ts', import.meta.url).href;
/** Objects that live for a while, as batches do; says the largest size of the young generation in MB. */
const program = (limit: number) => `
import v8 from 'node:v8';
import { boundHeap } from '${module}';
using _bound = boundHeap(() => ({ young: ${limit} * 1024 ** 2, growth: 0 }));
const keep = [];
let most = 0;
for (let turn = 0; turn < 60; turn++) {
  for (let i = 0; i < 20000; i++) keep[(turn * 20000 + i) % 300000] = { a: 'x' + i, b: [i, turn] };
  most = Math.max(most, v8.getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size);
  await new Promise((resolve) => setImmediate(resolve));
}
console.log(most / 1048576);`;

async function largest(limit: number): Promise<number> {
  const args = ['--input-type=module', '-e', program(limit)];
  return Number((await promisify(execFile)(process.execPath, args)).stdout);
}

test('the young generation stays near its limit; without one it grows', async () => {
  const [bounded, free] = [await largest(8), await largest(4096)];
  assert.ok(bounded <= 32, `${bounded} MB`);
  assert.ok(free > 32, `${free} MB without a limit`);
});

/** Objects that live long enough to get into the old generation, and then no longer; says its largest size in MB. */
const ageing = (growth: number) => `
import v8 from 'node:v8';
import { boundHeap } from '${module}';
using _bound = boundHeap(() => ({ young: 4 * 1024 ** 2, growth: ${growth} }));
const keep = [];
let most = 0;
for (let turn = 0; turn < 900; turn++) {
  for (let i = 0; i < 2000; i++) keep[(turn * 2000 + i) % 150000] = { a: [turn], b: 'y' + i };
  most = Math.max(most, v8.getHeapSpaceStatistics().find((space) => space.space_name === 'old_space').space_used_size);
  await new Promise((resolve) => setImmediate(resolve));
}
console.log(most / 1048576);`;

test('garbage of the old generation is collected before it is a multiple of what lives', async () => {
  const size = async (growth: number) => {
    const args = ['--input-type=module', '-e', ageing(growth)];
    return Number((await promisify(execFile)(process.execPath, args)).stdout);
  };
  const [bounded, free] = [await size(20), await size(0)];
  assert.ok(bounded < 0.8 * free, `${bounded} MB, and ${free} MB without a bound`);
});
