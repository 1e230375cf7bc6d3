import assert from 'node:assert/strict';
import { test } from 'node:test';
import { server } from '../support/servers.ts';
import { typesOf } from '../support/types-values.ts';

/** Their input functions refuse every text, so no table of a user holds a value of them. */
const withoutInput: ReadonlySet<string> = new Set([
  'gtsvector',
  'pg_brin_bloom_summary',
  'pg_brin_minmax_multi_summary',
  'pg_dependencies',
  'pg_mcv_list',
  'pg_ndistinct',
  'pg_node_tree',
]);

for (const major of [14, 15, 16, 17, 18])
  test(`every type of pg_type that a table can hold has values, ${major}`, async () => {
    const on = await server(major);
    const rows = await on.query<{ type: string }>(
      `SELECT format_type(oid, NULL) AS type FROM pg_type
       WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') AND typrelid = 0 AND typcategory <> 'A'`,
    );
    const names = typesOf(major).map(({ type }) => type.replace(/\(.*?\)/, ''));
    const known = await on.query<{ type: string }>(
      `SELECT format_type(to_regtype(name), NULL) AS type FROM unnest(ARRAY[${names.map((name) => `'${name}'`).join(', ')}]) name`,
    );
    const have = new Set(known.map(({ type }) => type));
    const missing = rows.map(({ type }) => type).filter((type) => !have.has(type) && !withoutInput.has(type));
    assert.deepEqual(missing, []);
  });
