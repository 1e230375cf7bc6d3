import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { RowChange, TransactionInfo } from '../../../../../core/api/change.ts';
import { RangedTable } from '../../../../../core/pipeline/ledger/ranged-table.ts';
import type { RecordLsn, SnapshotLsn } from '../../../../../core/postgres/lsn.ts';
import { type Tuple, UNCHANGED } from '../../../../../core/postgres/tuple.ts';
import { relation } from '../../../../support/plan.ts';

const keyed = relation('public.t', 'id integer key, v text');
const full = relation('public.t', 'id integer key, v text', 'full');
const tx = (at: number): TransactionInfo => ({
  xid: at,
  finalLsn: BigInt(at) as RecordLsn,
  commitTime: 0n,
  origin: null,
});
const exact = (...at: number[]) => at.map((lsn) => BigInt(lsn) as SnapshotLsn);

/** What happens on a source that has the ids 0 to 19. */
interface Step {
  readonly kind: 'put' | 'delete' | 'move';
  readonly id: number;
  readonly to: number;
}
const id = fc.integer({ min: 0, max: 19 });
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('put' as const, 'delete' as const, 'move' as const, 'move' as const),
  id,
  to: id,
});

type Rows = Map<string, string>;

/** The change that the stream has of a step, once it is done to the rows; null: nothing happened. */
function happen(
  rows: Rows,
  of: Step,
  more: { readonly at: number; readonly identity: 'key' | 'full' },
): RowChange | null {
  const shape = more.identity === 'key' ? keyed : full;
  const common = { tx: tx(more.at), lsn: BigInt(more.at), relation: shape };
  const key = String(of.id);
  const was = rows.get(key);
  const old = (): { image: 'key' | 'full'; tuple: Tuple } =>
    more.identity === 'key' ? { image: 'key', tuple: [key, null] } : { image: 'full', tuple: [key, was!] };
  if (of.kind === 'put') {
    const v = `v${more.at}`;
    rows.set(key, v);
    if (was === undefined) return { ...common, kind: 'insert', after: [key, v] };
    return { ...common, kind: 'update', before: more.identity === 'key' ? null : old(), after: [key, v] };
  }
  if (was === undefined) return null;
  if (of.kind === 'delete') {
    rows.delete(key);
    return { ...common, kind: 'delete', before: old() };
  }
  const to = String(of.to);
  if (to === key || rows.has(to)) return null;
  rows.delete(key);
  rows.set(to, was);
  // Under FULL the value that was left alone need not be sent: the old row has it.
  return { ...common, kind: 'update', before: old(), after: [to, more.identity === 'key' ? was : UNCHANGED] };
}

/** As the target does it: what is not there, or is there already, is an error. */
function apply(rows: Rows, change: RowChange): void {
  const before = change.kind === 'insert' ? null : (change.before?.tuple[0] ?? null);
  const after = change.kind === 'delete' ? null : change.after;
  const from = before ?? (change.kind === 'update' ? (after![0] as string) : null);
  const was = from === null ? undefined : rows.get(from);
  if (from !== null) {
    assert.ok(rows.delete(from), `${change.kind} of ${from}, which is not there`);
  }
  if (after === null) return;
  const to = after[0] as string;
  assert.ok(!rows.has(to), `${to} is there already`);
  rows.set(to, after[1] === UNCHANGED ? was! : (after[1] as string));
}

test('ranges copied at any positions, in any order, become the source (I5)', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.uniqueArray(fc.integer({ min: 1, max: 19 }), { maxLength: 5 }),
      fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 6, maxLength: 6 }),
      fc.constantFrom('key' as const, 'full' as const),
      (steps, cuts, positions, identity) => {
        const bounds = cuts.toSorted((a, b) => a - b);
        const at = positions.slice(0, bounds.length + 1);
        const rangeOf = (key: string) => bounds.filter((bound) => bound <= Number(key)).length;
        const source: Rows = new Map(['2', '7', '11', '15'].map((key) => [key, 'old']));
        const target: Rows = new Map();
        const copy = (moment: number) => {
          for (const [key, v] of source) if (at[rangeOf(key)] === moment) target.set(key, v);
        };
        const changes: RowChange[] = [];
        for (const [moment, of] of steps.entries()) {
          copy(moment);
          const change = happen(source, of, { at: moment, identity });
          if (change !== null) changes.push(change);
        }
        for (let moment = steps.length; moment <= 60; moment++) copy(moment);
        const ranged = new RangedTable({
          columns: ['id'],
          bounds: bounds.map((bound) => [String(bound)]),
          exact: exact(...at),
        });
        for (const change of changes) {
          const left = ranged.left(change);
          if (left !== null) apply(target, left);
        }
        assert.deepEqual(
          [...target].toSorted(([a], [b]) => Number(a) - Number(b)),
          [...source].toSorted(([a], [b]) => Number(a) - Number(b)),
        );
      },
    ),
    { numRuns: 2000 },
  );
});

test('a moved row of which values are missing is refused, not guessed (I7)', () => {
  const ranged = new RangedTable({ columns: ['id'], bounds: [['10']], exact: exact(50, 20) });
  const move = (from: string, to: string, lsn: number): RowChange => ({
    kind: 'update',
    tx: tx(lsn),
    lsn: BigInt(lsn),
    relation: keyed,
    before: { image: 'key', tuple: [from, null] },
    after: [to, UNCHANGED],
  });
  // The range of 3 was copied later, so the row is in neither copy.
  assert.throws(() => ranged.left(move('3', '13', 30)), { code: 'PGS3200' });
  assert.deepEqual(ranged.left(move('13', '3', 30)), {
    kind: 'delete',
    tx: tx(30),
    lsn: 30n,
    relation: keyed,
    before: { image: 'key', tuple: ['13', null] },
  });
  assert.equal(ranged.left(move('3', '13', 19)), null);
  const later = move('3', '13', 50);
  assert.equal(ranged.left(later), later);
});

test('what a change does not tell is refused: another replica identity, a TRUNCATE between the positions', () => {
  const ranged = new RangedTable({ columns: ['id'], bounds: [['10']], exact: exact(50, 20) });
  const other = relation('public.t', 'id integer, v text key');
  const gone: RowChange = {
    kind: 'delete',
    tx: tx(30),
    lsn: 30n,
    relation: other,
    before: { image: 'key', tuple: [null, 'x'] },
  };
  assert.throws(() => ranged.left(gone), { code: 'PGS3200' });
  assert.equal(ranged.hasTruncate(keyed, 19n), true);
  assert.equal(ranged.hasTruncate(keyed, 50n), false);
  assert.throws(() => ranged.hasTruncate(keyed, 30n), { code: 'PGS3200' });
});
