import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { withTables } from '../../../support/expr-docs.ts';

const page = new URL('../../../../docs/expressions.md', import.meta.url);

test('docs/expressions.md lists what the function table holds (PGSLUICE_WRITE_DOCS=1 writes it)', async () => {
  const text = await readFile(page, 'utf8');
  const wanted = withTables(text);
  if (process.env['PGSLUICE_WRITE_DOCS'] !== undefined) await writeFile(page, wanted);
  else assert.equal(text, wanted);
});
