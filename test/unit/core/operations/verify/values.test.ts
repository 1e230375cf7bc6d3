import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { ShownText } from '../../../../../core/postgres/digest-query.ts';
import { valueLines, valuesOf } from '../../../../../core/operations/verify/row-values.ts';

/** As the server gives it: the first 8192 characters. */
function cell(text: string | null): ShownText | null {
  if (text === null) return null;
  const all = Array.from(text);
  const hash = createHash('md5').update(text).digest('hex');
  return { start: all.slice(0, 8192).join(''), characters: all.length, hash };
}
const lines = (source: readonly (string | null)[] | null, target: readonly (string | null)[] | null) =>
  valueLines(
    valuesOf(
      (source ?? target ?? []).map((_, i) => `c${i}`),
      source?.map(cell),
      target?.map(cell),
    ),
  ).map((line) => line.trim());

test('only the columns that differ are shown, NULL apart from empty text and from its word', () => {
  assert.deepEqual(lines(['1', 'same', null, 'NULL', null], ['1', 'same', '', null, null]), [
    'c2  source NULL',
    'c2  target ""',
    'c3  source "NULL"',
    'c3  target NULL',
  ]);
});

test('of a row that one side has, all that it holds', () => {
  assert.deepEqual(lines(['1', null], null), ['c0  source "1"', 'c1  source NULL']);
  assert.deepEqual(lines(null, ['1', null]), ['c0  target "1"', 'c1  target NULL']);
});

test('a long value is cut around the first character that differs, in whole characters', () => {
  const start = '😀'.repeat(1000);
  const [source, target] = lines([`${start}a${'x'.repeat(500)}`], [`${start}b`]);
  assert.equal(source, `c0  source …"${'😀'.repeat(30)}a${'x'.repeat(89)}"… (1501 characters)`);
  assert.equal(target, `c0  target …"${'😀'.repeat(30)}b" (1001 characters)`);
});

test('values that differ behind what was read say so', () => {
  const found = lines([`${'x'.repeat(9000)}a`], [`${'x'.repeat(9000)}b`]);
  for (const line of found) assert.match(line, /…"x{30}"… \(9001 characters\), the first 8192 characters agree$/);
});

test('a value cannot write on the terminal, and no more than forty columns are shown', () => {
  assert.deepEqual(lines(['a\nb\u001b[2J\u009b2J'], ['']), ['c0  source "a\\nb\\u001b[2J�2J"', 'c0  target ""']);
  const many = Array.from({ length: 100 }, (_, i) => String(i));
  const shown = lines(many, null);
  assert.deepEqual([shown.length, shown.at(-1)], [41, '… and 60 more columns']);
});
