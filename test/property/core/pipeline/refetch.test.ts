import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import type { Change, RowChange } from '../../../../core/api/change.ts';
import { type Cell, type PartialTuple, type Tuple, UNCHANGED } from '../../../../core/postgres/tuple.ts';
import type { Relation } from '../../../../core/postgres/relation.ts';
import type { Transform } from '../../../../core/api/transform.ts';
import { loadParser } from '../../../../core/expr/parse.ts';
import { createMapper } from '../../../../core/pipeline/plan/mapper.ts';
import { planTables } from '../../../../core/pipeline/plan/planner.ts';
import { compileRowMap } from '../../../../core/pipeline/plan/row-map.ts';
import type { FetchRows } from '../../../../core/pipeline/plan/refetch.ts';
import { filter } from '../../../../plugins/transform-filter/plugin.ts';
import { rename } from '../../../../plugins/transform-rename/plugin.ts';
import { script } from '../../../../plugins/transform-script/plugin.ts';
import { set } from '../../../../plugins/transform-set/plugin.ts';
import { brief, deleted, inserted, planInput, relation, step, updated } from '../../../support/plan.ts';

before(() => loadParser());

/** `b` and `c` are large: an UPDATE that leaves one alone does not send it. */
const table = relation('public.t', 'id integer key, a integer, b text, c text');
const transforms: fc.Arbitrary<Transform> = fc.oneof(
  fc
    .constantFrom(
      'a > 2',
      "a IS NULL OR b = 'x'",
      'b <> c',
      'id > 1',
      'id <> 2',
      'id > 1 AND a < 4',
      "c IS DISTINCT FROM 'y'",
    )
    .map((where) => filter({ where })),
  fc
    .constantFrom<Record<string, string>>(
      { b: "b || 'x'" },
      { c: 'coalesce(c, b)' },
      { e: "concat(b, '-', c)" },
      { e: 'concat(a, c)', b: 'left(b, 1)' },
    )
    .map((exprs) => set({ columns: exprs })),
  fc.constantFrom<Record<string, string>>({ b: 'c', c: 'b' }).map((names) => rename({ columns: names })),
  fc.constant(script((rows) => rows.filter((row) => row['b'] !== 'y'))),
);

interface Operation {
  readonly kind: 'put' | 'move' | 'delete';
  readonly row: Tuple;
  readonly to: string;
  readonly keeps: readonly [boolean, boolean];
}
const key = fc.integer({ min: 1, max: 4 }).map(String);
const operations = fc.array(
  fc.record<Operation>({
    kind: fc.constantFrom('put', 'put', 'move', 'move', 'delete'),
    row: fc.tuple<[Cell, Cell, Cell, Cell]>(
      key,
      fc.option(fc.integer({ min: 0, max: 5 }).map(String)),
      fc.option(fc.constantFrom('x', 'y', 'z')),
      fc.option(fc.constantFrom('x', 'y', '')),
    ),
    to: key,
    keeps: fc.constantFrom<Operation['keeps']>(
      [true, true],
      [true, true],
      [true, false],
      [false, true],
      [false, false],
    ),
  }),
  { maxLength: 30 },
);

type State = ReadonlyMap<Cell, Tuple>;

/** What the server sends, and what the source holds after each change. */
function history(list: readonly Operation[]): { changes: Change[]; states: State[] } {
  const held = new Map<Cell, Tuple>();
  const changes: Change[] = [];
  const states: State[] = [];
  const keyOf = (row: Tuple): Tuple => [row[0] ?? null, null, null, null];
  for (const { kind, row, to, keeps } of list) {
    const id = row[0] as string;
    const old = held.get(id);
    if (old === undefined) {
      if (kind !== 'put') continue;
      changes.push(inserted(table, row));
      held.set(id, row);
    } else if (kind === 'delete') {
      changes.push(deleted(table, { key: keyOf(old) }));
      held.delete(id);
    } else {
      if (kind === 'move' && held.has(to)) continue;
      const now = kind === 'move' ? to : id;
      const kept = (at: number) => (keeps[at - 2] === true ? (old[at] as Cell) : (row[at] as Cell));
      const whole: Tuple = [now, row[1] as Cell, kept(2), kept(3)];
      const sent = whole.map((cell, at) => (at >= 2 && keeps[at - 2] === true && cell !== null ? UNCHANGED : cell));
      changes.push(updated(table, sent, kind === 'move' ? { key: keyOf(old) } : null));
      held.delete(id);
      held.set(now, whole);
    }
    states.push(new Map(held));
  }
  return { changes, states };
}

/** A sink by key that refuses what a real one refuses. */
function apply(held: Map<Cell, Tuple>, changes: readonly Change[], output: Relation): void {
  const at = output.identity.kind === 'key' ? (output.identity.positions[0] as number) : -1;
  for (const change of changes as readonly RowChange[]) {
    const maybe = change.kind !== 'insert' && change.maybe === true;
    if (change.kind === 'insert') {
      assert.ok(!held.has(change.after[at] as Cell), `duplicate key: ${brief(change)}`);
      held.set(change.after[at] as Cell, change.after);
      continue;
    }
    const id = (change.before?.tuple ?? (change as { after: Tuple }).after)[at] as Cell;
    const old = held.get(id);
    assert.ok(old !== undefined || maybe, `hits no row: ${brief(change)}`);
    held.delete(id);
    if (change.kind === 'delete') continue;
    const row = change.after.map((cell: PartialTuple[number], i) => {
      if (cell !== UNCHANGED) return cell;
      assert.ok(old !== undefined && !maybe, `not whole: ${brief(change)}`);
      return old[i] as Cell;
    });
    assert.ok(!held.has(row[at] as Cell), `duplicate key: ${brief(change)}`);
    held.set(row[at] as Cell, row);
  }
}

test('whatever state of the source is fetched from, the end is what a copy of the end would be', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(transforms, { minLength: 1, maxLength: 3 }),
      operations,
      fc.array(fc.nat(12), { minLength: 1, maxLength: 20 }),
      fc.array(fc.nat(30), { minLength: 1, maxLength: 20 }),
      async (chain, list, sizes, lags) => {
        const input = planInput(
          [table],
          chain.map((each) => step(each)),
        );
        const { plans, problems } = planTables(input);
        const [plan] = plans;
        fc.pre(problems.length === 0 && plan !== undefined);
        const { changes, states } = history(list);
        let end = 0;
        let asked = 0;
        const fetch: FetchRows = ({ keys, columns }) => {
          const state = states[Math.min(states.length - 1, end - 1 + (lags[asked++ % lags.length] as number))] as State;
          return Promise.resolve(
            keys.map(([id]) => {
              const row = state.get(id as Cell);
              return row === undefined ? null : columns.map((at) => row[at] as Cell);
            }),
          );
        };
        const mapper = createMapper(input, plans, fetch);
        const held = new Map<Cell, Tuple>();
        for (let turn = 0; end < changes.length; turn++) {
          const from = end;
          end = Math.min(changes.length, from + 1 + (sizes[turn % sizes.length] as number));
          apply(held, await mapper.map(changes.slice(from, end)), plan.output);
        }
        const map = compileRowMap(table.columns, plan.projection);
        const rows = [...(states.at(-1) ?? new Map<Cell, Tuple>()).values()];
        const copied = rows.filter((row) => map.where?.(row) ?? true).map((row) => map.row(row));
        const wanted = plan.tail === null ? copied : await plan.tail.rows(copied);
        const sorted = (all: Iterable<Tuple>) => [...all].map((row) => JSON.stringify(row)).sort();
        assert.deepEqual(sorted(held.values()), sorted(wanted));
      },
    ),
    { numRuns: Number(process.env['PGSLUICE_REFETCH_CASES'] ?? 5000) },
  );
});
