import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sameText } from '../../../../../core/postgres/manifest/text.ts';

test('a cast of an array is one of its elements', () => {
  for (const [before, after] of [
    [
      "CHECK (((v)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
      "CHECK (((v)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])))",
    ],
    ["(ARRAY['x'::text])::character varying(10)[]", "ARRAY[('x'::text)::character varying(10)]"],
    ['(ARRAY[f(1, 2), a[3]])::app.size[]', 'ARRAY[(f(1, 2))::app.size, (a[3])::app.size]'],
    [
      "(ARRAY[ARRAY['a,)'::text], ARRAY['b'::text]])::text[]",
      "ARRAY[ARRAY[('a,)'::text)::text], ARRAY[('b'::text)::text]]",
    ],
    [
      '((ARRAY[now()])::timestamp(3) without time zone[] = ANY (x))',
      '(ARRAY[(now())::timestamp(3) without time zone] = ANY (x))',
    ],
  ] as const) {
    assert.ok(sameText(after, before), before);
    assert.ok(sameText(before, after), after);
  }
});

test('other casts and other elements differ', () => {
  for (const [a, b] of [
    ["(ARRAY['a'::text])::text[]", "(ARRAY['b'::text])::text[]"],
    ["(ARRAY['a'::text])::text[]", "ARRAY[('a'::text)::name]"],
    ["(ARRAY['a'::text])::character varying(3)[]", "ARRAY[('a'::text)::character varying(4)]"],
    ["(ARRAY['a'::text, 'b'::text])::text[]", "ARRAY[('a'::text)::text]"],
    ["(ARRAY['a'::text])::text", "ARRAY[('a'::text)::text]"],
  ] as const)
    assert.ok(!sameText(a, b), a);
});

test('capitals mean nothing outside quotes', () => {
  assert.ok(sameText('EXTRACT(year FROM d)', 'EXTRACT(YEAR FROM d)'));
  assert.ok(sameText('"year"', 'year'));
  assert.ok(!sameText('"Year"', 'year'));
  assert.ok(!sameText("'YEAR'", "'year'"));
  assert.ok(!sameText('É', 'é'));
});
