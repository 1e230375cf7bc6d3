import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entries } from '../../../../core/expr/registry.ts';
import type { Entry } from '../../../../core/expr/table.ts';
import { oidOf } from '../../../../core/expr/types.ts';
import { database, server } from '../../../support/servers.ts';

/** By name and argument types; what takes any array is under anyarray in the catalog, and left out here. */
const listed = entries.filter(
  (entry) => (entry.form === 'function' || entry.form === 'operator') && !entry.args.some((arg) => arg.endsWith('[]')),
);
const key = (form: Entry['form'], name: string, args: readonly number[]) => `${form} ${name} ${args.join(' ')}`;

/** Stable in older versions, immutable in newer ones. */
const varies = 'date_trunc(text,timestamptz,text)';

/** Their SQL has convert_to around the text, which is stable. */
const seesBytes: ReadonlySet<string> = new Set([
  'octet_length(text)',
  'octet_length(bpchar)',
  'bit_length(text)',
  'ascii(text)',
  'md5(text)',
]);

/** What may be folded and pushed into a publication must be so on the server; folding decides which errors arise. */
for (const major of [14, 17, 18]) {
  test(`functions and operators are immutable and strict as PostgreSQL ${major} has them`, async () => {
    const db = await database(await server(major), 'catalog');
    const rows = await db.query<{
      form: Entry['form'];
      name: string;
      args: string;
      immutable: boolean;
      strict: boolean;
    }>(
      `SELECT 'function' AS form, proname AS name, proargtypes::text AS args, provolatile = 'i' AS immutable, proisstrict AS strict
       FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
       UNION ALL SELECT 'operator', oprname, CASE oprleft WHEN 0 THEN '' ELSE oprleft || ' ' END || oprright, provolatile = 'i', proisstrict
       FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode WHERE oprnamespace = 'pg_catalog'::regnamespace`,
    );
    const there = new Map(rows.map((row) => [`${row.form} ${row.name} ${row.args}`, row]));
    const differences = listed.flatMap((entry) => {
      const found = there.get(key(entry.form, entry.name, entry.args.map(oidOf)));
      if (entry.id === varies || seesBytes.has(entry.id)) return [];
      if (found === undefined) return [`${entry.id} is not there`];
      const [mine, theirs] = [
        [entry.immutable, entry.strict],
        [found.immutable, found.strict],
      ].map(String);
      return mine === theirs ? [] : [`${entry.id}: immutable, strict are ${theirs}, not ${mine}`];
    });
    assert.deepEqual(differences, []);
  });
}
