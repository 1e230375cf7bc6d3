import assert from 'node:assert/strict';
import test from 'node:test';
import { mendDatabase } from '../../../../support/manifest.ts';
import { richRoles, richSchema } from '../../../../support/rich-schema.ts';
import { database, server } from '../../../../support/servers.ts';

for (const major of [14, 15, 16, 17, 18]) {
  test(`a schema of every kind is made, found equal, and taken away by the statements of its difference (${major})`, async () => {
    const on = await server(major);
    await on.query(richRoles);
    const [source, target, empty] = [await database(on), await database(on), await database(on)];
    await source.query(richSchema(major));
    const made = await mendDatabase(target, source);
    assert.deepEqual(made.failures, []);
    assert.ok(made.statements.length > 200);
    const again = await mendDatabase(target, source);
    assert.deepEqual([again.failures, again.statements], [[], []]);
    const gone = await mendDatabase(target, empty);
    assert.deepEqual(gone.failures, []);
    const left = await target.query<{ n: string }>(
      `SELECT count(*) AS n FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('app', 'public')`,
    );
    assert.equal(String(left[0]!.n), '0');
  });
}
