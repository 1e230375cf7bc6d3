import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isOrdered, KeyOrder } from '../../../../core/pipeline/ledger/key-order.ts';
import { column } from '../../../support/plan.ts';
import { database, server } from '../../../support/servers.ts';

const db = await database(await server(17), 'key_order');

const int = (bits: number) =>
  fc.bigInt({ min: -(1n << BigInt(bits - 1)), max: (1n << BigInt(bits - 1)) - 1n }).map(String);
const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((all) => Buffer.from(all).toString('hex'));
const date = fc.oneof(
  fc.constantFrom(
    'infinity',
    '-infinity',
    '4713-01-01 BC',
    '0001-01-01 BC',
    '0001-01-01',
    '5874897-12-31',
    '2024-02-29',
  ),
  fc.integer({ min: -2_400_000, max: 10_000_000 }).map((days) => `days ${days}`),
);
const moment = fc.oneof(
  fc.constantFrom(
    'infinity',
    '-infinity',
    '0044-03-15 12:00:00.000001 BC',
    '294276-12-31 23:59:59.999999',
    '2024-01-01',
  ),
  fc.bigInt({ min: -(10n ** 16n), max: 10n ** 17n }).map((micros) => `micros ${micros}`),
);
const decimal = fc.oneof(
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '0', '-0.000', '1e-20', '1e30', '100', '100.00'),
  fc
    .tuple(fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }), fc.integer({ min: 0, max: 30 }))
    .map(([n, scale]) => `${n}e-${scale}`),
);
const words = fc.oneof(
  fc.constantFrom('', ' ', 'a', 'A', 'a ', 'ä', 'z', '\u{1F600}', '\uFFFD', '\uE000', "'", '\\', '10', '9'),
  fc.string({ unit: 'binary', maxLength: 6 }).map((text) => text.replaceAll('\0', '')),
);

/** Type, values as input, and how the server reads them where that is not their text. */
const kinds: readonly (readonly [string, fc.Arbitrary<string>, string?])[] = [
  ['smallint', int(16)],
  ['integer', int(32)],
  ['bigint', int(64)],
  ['oid', fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(String)],
  ['uuid', hex(16)],
  ['date', date, `CASE WHEN v LIKE 'days %' THEN (date '2000-01-01' + substr(v, 6)::int)::text ELSE v END`],
  [
    'timestamp',
    moment,
    `CASE WHEN v LIKE 'micros %' THEN (timestamp '2000-01-01' + make_interval(secs => substr(v, 8)::numeric / 1000000))::text ELSE v END`,
  ],
  [
    'timestamptz',
    moment,
    `CASE WHEN v LIKE 'micros %' THEN (timestamptz '2000-01-01 UTC' + make_interval(secs => substr(v, 8)::numeric / 1000000))::text ELSE v END`,
  ],
  ['numeric', decimal],
  ['bytea', fc.uint8Array({ maxLength: 5 }).map((all) => `\\x${Buffer.from(all).toString('hex')}`)],
  ['text', words],
  ['varchar', words],
];

for (const [type, values, read = 'v'] of kinds) {
  test(`keys of type ${type} are ordered as the server orders them`, async () => {
    const of = column('k', type);
    assert.ok(isOrdered(of));
    const order = new KeyOrder([of, column('n', 'integer')]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(values, fc.integer({ min: -2, max: 2 })), { minLength: 2, maxLength: 200 }),
        async (all) => {
          const collate = ['text', 'varchar'].includes(type) ? 'COLLATE "C"' : '';
          const rows = await db.query<{ k: string; n: string; rank: string }>(
            `SET TimeZone = 'UTC'; SELECT k::text AS k, n::text AS n, dense_rank() OVER (ORDER BY k ${collate}, n)::text AS rank FROM (
             SELECT (${read})::${type} AS k, n FROM json_to_recordset('${JSON.stringify(all.map(([v, n]) => ({ v, n }))).replaceAll("'", "''")}') AS r (v text, n int)
           ) AS s ORDER BY 3`,
          );
          const sorted = rows
            .map((row) => ({ key: order.read([row.k, row.n]), rank: Number(row.rank) }))
            .toSorted((a, b) => a.rank - b.rank);
          for (const [i, { key, rank }] of sorted.entries()) {
            const before = sorted[i - 1];
            if (before === undefined) continue;
            assert.equal(
              Math.sign(order.compare(before.key, key)),
              Math.sign(before.rank - rank),
              JSON.stringify(rows),
            );
          }
        },
      ),
      { numRuns: 5 },
    );
  });
}

test('types whose order depends on more than their bytes are refused', () => {
  for (const type of ['bpchar', 'interval', 'jsonb', 'float8', 'name', 'mood', 'boolean'])
    assert.equal(isOrdered(column('k', type)), false, type);
});
