import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arrayOids, oids } from '../../../../core/postgres/oids.ts';
import { database, server } from '../../../support/servers.ts';

test('the table of built-in types is that of every server', async () => {
  const table = Object.entries(oids)
    .map(([name, oid]) => `${name} ${oid} ${arrayOids[name as keyof typeof arrayOids]}`)
    .toSorted();
  for (const major of [14, 15, 16, 17, 18]) {
    const on = await database(await server(major), 'oids');
    const rows = await on.query<{ line: string }>(
      `SELECT typname || ' ' || oid::text || ' ' || typarray::oid::text AS line FROM pg_type
        WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') AND left(typname, 1) <> '_' AND typarray <> 0
          AND oid < 10000`,
    );
    const there = new Set(rows.map(({ line }) => line));
    assert.deepEqual(
      table.filter((line) => !there.has(line)),
      [],
      `${major}`,
    );
    // What a later release adds is in the table as well: those are looked for on the newest.
    if (major === 18)
      assert.deepEqual(
        [...there].filter((line) => !table.includes(line) && !line.startsWith('gtsvector ')),
        [],
      );
  }
});
