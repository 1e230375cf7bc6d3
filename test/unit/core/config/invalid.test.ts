import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { invalidMessages } from '../../../../scripts/lib/invalid-messages.ts';

const folder = fileURLToPath(new URL('../../../../configs/invalid/', import.meta.url));
const files = globSync('*.yaml', { cwd: folder }).toSorted();

test('there are many kinds of mistakes', () => assert.ok(files.length >= 20));

for (const name of files) {
  test(`configs/invalid/${name} says what is expected`, async () => {
    const expected = readFileSync(join(folder, name.replace(/yaml$/, 'expected')), 'utf8');
    assert.notEqual(expected, '');
    assert.equal(await invalidMessages(folder, name), expected);
  });
}
