import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareTable, type TableRun } from '../../../../../core/operations/verify/compare.ts';
import { compareDefaults } from '../../../../../core/operations/verify/run-verify.ts';
import type { Sides } from '../../../../../core/operations/verify/views.ts';
import { connect } from '../../../../../core/postgres/connect.ts';
import { PostgresDigests } from '../../../../../core/postgres/digest.ts';
import { database, server, type TestDatabase } from '../../../../support/servers.ts';

const rows =
  'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, g::text FROM generate_series(1, 50) g';
const query = {
  schema: 'public',
  table: 't',
  only: true,
  columns: ['"id"', '"v"'],
  where: null,
  key: ['"id"'],
  after: null,
  upTo: null,
};
const queries = { source: query, target: query, names: ['id', 'v'], keyNames: ['id'] };

/** Views that grow old after `uses` pieces of work, as those of a long verification do; `between`: what happens meanwhile. */
async function compared(source: TestDatabase, target: TestDatabase, uses: number, between: () => Promise<unknown>) {
  const { signal } = new AbortController();
  const reader = ({ url }: TestDatabase) =>
    new PostgresDigests(() => connect({ url }, { name: 'db', applicationName: 'test' }), 'db');
  await using open = new AsyncDisposableStack();
  let [used, views] = [0, 0];
  let sides: Sides | null = null;
  const view = async (): Promise<Sides> => {
    views++;
    return {
      source: open.use(await reader(source).open(signal)),
      target: open.use(await reader(target).open(signal)),
      at: { position: `0/${views}`, time: `view ${views}` },
    };
  };
  const pool: TableRun['pool'] = {
    use: async (work) => {
      if (used === uses) {
        await between();
        [sides, used] = [null, 0];
      }
      used++;
      return work((sides ??= await view()));
    },
  };
  return await compareTable({ pool, queries, options: compareDefaults, signal, notes: null });
}

test('a range that differed at one position is told, though later changes wrote over it before its rows were looked for', async () => {
  const [source, target] = [await database(await server(17), 'src'), await database(await server(17), 'dst')];
  await source.query(rows);
  await target.query(`${rows}; UPDATE t SET v = 'wrong' WHERE id = 7`);
  // Bounds and hashes in one view, rows in the next.
  const wrote = () => target.query(`UPDATE t SET v = '7' WHERE id = 7`);
  const passed = await compared(source, target, 2, wrote);
  assert.equal(passed.equal, false);
  assert.deepEqual(passed.differences, []);
  assert.deepEqual(
    passed.passed.map(({ differed, agreed }) => [differed.position, agreed.position]),
    [['0/1', '0/2']],
  );
  const equal = await compared(source, target, 2, async () => {});
  assert.deepEqual([equal.equal, equal.passed], [true, []]);
  await target.query('DELETE FROM t WHERE id = 9');
  const differs = await compared(source, target, 2, async () => {});
  assert.deepEqual([differs.equal, differs.differences, differs.passed], [false, [{ kind: 'missing', key: '9' }], []]);
});
