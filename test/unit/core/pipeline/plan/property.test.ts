import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import type { Change, RowChange } from '../../../../../core/api/change.ts';
import type { Cell, Tuple } from '../../../../../core/postgres/tuple.ts';
import type { Relation } from '../../../../../core/postgres/relation.ts';
import type { Transform } from '../../../../../core/api/transform.ts';
import { loadParser } from '../../../../../core/expr/parse.ts';
import { createMapper } from '../../../../../core/pipeline/plan/mapper.ts';
import { planTables } from '../../../../../core/pipeline/plan/planner.ts';
import { compileRowMap } from '../../../../../core/pipeline/plan/row-map.ts';
import { columns } from '../../../../../plugins/transform-columns/plugin.ts';
import { filter } from '../../../../../plugins/transform-filter/plugin.ts';
import { rename } from '../../../../../plugins/transform-rename/plugin.ts';
import { script } from '../../../../../plugins/transform-script/plugin.ts';
import { set } from '../../../../../plugins/transform-set/plugin.ts';
import { deleted, inserted, planInput, relation, step, updated } from '../../../../support/plan.ts';

before(() => loadParser());

/** Every transform works on what is called `a`, `b` or `c` when it comes; one that does not fit is left out. */
const transforms: fc.Arbitrary<Transform> = fc.oneof(
  fc
    .constantFrom('a > 2', "a IS NULL OR b = 'x'", "b <> 'y'", 'id > 3', 'a + id < 7', 'NOT (c = b)')
    .map((where) => filter({ where })),
  fc
    .constantFrom<Record<string, string>>({ a: 'b', b: 'a' }, { a: 'c' }, { b: 'c', c: 'b' }, { c: 'd' })
    .map((names) => rename({ columns: names })),
  fc
    .constantFrom<Record<string, string>>(
      { a: 'a + 1' },
      { b: "b || 'x'", c: 'b' },
      { c: 'coalesce(c, b)' },
      { e: 'a * id' },
      { a: 'CASE WHEN b IS NULL THEN 1 ELSE a END' },
    )
    .map((exprs) => set({ columns: exprs })),
  fc.constantFrom(['a'], ['b', 'c'], ['c']).map((drop) => columns({ drop })),
);

const rowOf = (id: fc.Arbitrary<string>): fc.Arbitrary<Tuple> =>
  fc
    .tuple(
      id,
      fc.option(fc.integer({ min: 0, max: 5 }).map(String)),
      fc.option(fc.constantFrom('x', 'y', 'z')),
      fc.option(fc.constantFrom('x', 'y', '')),
    )
    .map((row) => row as Tuple);
const shape = 'id integer key, a integer, b text, c text';

/** Steps that fit one after another, with the relation that each puts out. */
function fitting(table: Relation, chain: readonly Transform[]): readonly Transform[] {
  const good: Transform[] = [];
  for (const transform of chain) {
    const { problems } = planTables(
      planInput(
        [table],
        [...good, transform].map((each) => step(each)),
      ),
    );
    if (problems.length === 0) good.push(transform);
  }
  return good;
}

function project(
  table: Relation,
  chain: readonly Transform[],
  rows: readonly Tuple[],
): { output: Relation; rows: readonly Tuple[] } {
  const { plans, problems } = planTables(
    planInput(
      [table],
      chain.map((each) => step(each)),
    ),
  );
  assert.deepEqual(problems, []);
  const [plan] = plans;
  assert.ok(plan !== undefined);
  const map = compileRowMap(table.columns, plan.projection);
  return { output: plan.output, rows: rows.filter((row) => map.where?.(row) ?? true).map((row) => map.row(row)) };
}

test('a composed chain gives what its steps give one after another', () => {
  const table = relation('public.t', shape);
  fc.assert(
    fc.property(
      fc.array(transforms, { maxLength: 7 }),
      fc.array(rowOf(fc.integer({ min: 1, max: 9 }).map(String)), { maxLength: 8 }),
      (chain, rows) => {
        const good = fitting(table, chain);
        let current = { output: table, rows: rows as readonly Tuple[] };
        for (const each of good)
          current = project({ ...current.output, schema: 'public', name: 't' }, [each], current.rows);
        const composed = project(table, good, rows);
        assert.deepEqual(composed.rows, current.rows);
        assert.deepEqual(composed.output.columns, current.output.columns);
        assert.deepEqual(composed.output.identity, current.output.identity);
      },
    ),
    { numRuns: 300 },
  );
});

type Operation = { readonly kind: 'put' | 'move' | 'delete'; readonly row: Tuple; readonly to: string };
const operations = fc.array(
  fc.record<Operation>({
    kind: fc.constantFrom('put', 'put', 'move', 'delete'),
    row: rowOf(fc.integer({ min: 1, max: 6 }).map(String)),
    to: fc.integer({ min: 1, max: 6 }).map(String),
  }),
  { maxLength: 25 },
);

/** What the server would send for operations on a table that starts empty, and the rows that it holds in the end. */
function history(table: Relation, list: readonly Operation[]): { changes: Change[]; rows: Tuple[] } {
  const held = new Map<Cell, Tuple>();
  const changes: Change[] = [];
  const full = table.identity.kind === 'full';
  const key = (row: Tuple): Tuple => [row[0] ?? null, null, null, null];
  for (const { kind, row, to } of list) {
    const id = row[0] ?? null;
    const old = held.get(id);
    if (kind === 'put' && old === undefined) {
      changes.push(inserted(table, row));
      held.set(id, row);
    } else if (kind === 'put' && old !== undefined) {
      changes.push(updated(table, row, full ? { full: old } : null));
      held.set(id, row);
    } else if (kind === 'move' && old !== undefined && !held.has(to)) {
      const moved: Tuple = [to, ...row.slice(1)];
      changes.push(updated(table, moved, full ? { full: old } : { key: key(old) }));
      held.delete(id);
      held.set(to, moved);
    } else if (kind === 'delete' && old !== undefined) {
      changes.push(deleted(table, full ? { full: old } : { key: key(old) }));
      held.delete(id);
    }
  }
  return { changes, rows: [...held.values()] };
}

/** A sink by key, or by whole row where that is the identity; refuses what a real one refuses. */
function applied(changes: readonly Change[], output: Relation): string[] {
  const held: Tuple[] = [];
  const at = output.identity.kind === 'key' ? output.identity.positions : output.columns.map((_, i) => i);
  const find = (tuple: Tuple): number => held.findIndex((row) => at.every((i) => row[i] === tuple[i]));
  for (const change of changes as readonly RowChange[]) {
    const maybe = change.kind !== 'insert' && change.maybe === true;
    const before = change.kind === 'insert' ? null : (change.before?.tuple ?? null);
    if (change.kind === 'insert') {
      if (output.identity.kind === 'key') assert.equal(find(change.after), -1, 'duplicate key');
      held.push(change.after);
    } else {
      const found = find(before ?? (change as { after: Tuple }).after);
      assert.ok(found !== -1 || maybe, `${change.kind} hits no row`);
      if (change.kind === 'delete') {
        if (found !== -1) held.splice(found, 1);
      } else if (found === -1) held.push(change.after as Tuple);
      else held[found] = change.after as Tuple;
    }
  }
  return held.map((row) => JSON.stringify(row)).sort();
}

const dropsY = script((rows) => rows.filter((row) => row['b'] !== 'y'));

for (const identity of ['key', 'full'] as const) {
  test(`the stream makes of the target what a snapshot of the end would (identity ${identity})`, async () => {
    const table = relation('public.t', shape, identity);
    await fc.assert(
      fc.asyncProperty(
        fc.array(transforms, { maxLength: 5 }),
        fc.boolean(),
        operations,
        async (chain, scripted, list) => {
          const good = fitting(table, scripted ? [dropsY, ...chain] : chain);
          const input = planInput(
            [table],
            good.map((each) => step(each)),
          );
          const { plans } = planTables(input);
          const [plan] = plans;
          assert.ok(plan !== undefined);
          const { changes, rows } = history(table, list);
          const mapped = await createMapper(input, plans).map(changes);
          const map = compileRowMap(table.columns, plan.projection);
          const copied = rows.filter((row) => map.where?.(row) ?? true).map((row) => map.row(row));
          const wanted = plan.tail === null ? copied : await plan.tail.rows(copied);
          assert.deepEqual(applied(mapped, plan.output), wanted.map((row) => JSON.stringify(row)).sort());
        },
      ),
      { numRuns: 300 },
    );
  });
}
