import { ownLetters } from '../../expr/letters.ts';
import type { Change, RowChange, TransactionInfo } from '../../api/change.ts';
import { type PartialTuple, UNCHANGED } from '../../postgres/tuple.ts';
import type { RecordLsn } from '../../postgres/lsn.ts';
import { type Relation, relationName } from '../../postgres/relation.ts';
import type { SinkTraits } from '../../api/sink.ts';
import { createMapper } from '../../pipeline/plan/mapper.ts';
import { type PlanStep, planTables } from '../../pipeline/plan/planner.ts';
import type { CaseRow, TestCase } from './cases.ts';
import { cellOf } from './relation.ts';

/** A row or key that was produced, or expected: the server's text by column. */
export interface Outcome {
  readonly op: 'insert' | 'update' | 'delete';
  readonly table: string;
  readonly row: ReadonlyMap<string, string | null>;
}

export interface CaseResult {
  readonly of: TestCase;
  readonly expected: readonly Outcome[];
  readonly actual: readonly Outcome[];
  /** The error, if there is no result. */
  readonly error: string | null;
  readonly ok: boolean;
}

const traits: SinkTraits = { rawFormats: [], needsKey: false, existing: null, messages: false };
const transaction: TransactionInfo = { xid: 1, finalLsn: 1n as RecordLsn, commitTime: 0n, origin: null };

/** Passes the case's row or change through the same plan and mapper that a run uses. */
export async function runCase(of: TestCase, steps: readonly PlanStep[]): Promise<CaseResult> {
  try {
    const actual = await outcomes(of, steps);
    const expected = of.expect.map(({ op, row }) => expectation(of, op, row, actual));
    return { of, expected, actual: actual.map(strip), error: null, ok: same(expected, actual.map(strip)) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { of, expected: [], actual: [], error: message, ok: false };
  }
}

interface Actual extends Outcome {
  readonly relation: Relation;
}

async function outcomes(of: TestCase, steps: readonly PlanStep[]): Promise<readonly Actual[]> {
  const table = { relation: of.source, bytes: 0, rows: 0, persistence: 'permanent' } as const;
  const input = {
    tables: [table],
    steps,
    sink: { name: of.sink ?? 'sink', tables: null, traits },
    letters: ownLetters,
    sourceVersion: 170_000,
    streaming: true,
  };
  const { plans, problems } = planTables(input);
  // The case has one table only, so patterns for other tables match nothing.
  const problem = problems.find((each) => each.code !== 'PGS4007');
  if (problem !== undefined) throw problem;
  const changes = await createMapper(input, plans).map([changeOf(of)]);
  return changes.filter((change): change is RowChange => isRow(change)).map(outcomeOf);
}

function isRow(change: Change): boolean {
  return change.kind === 'insert' || change.kind === 'update' || change.kind === 'delete';
}

function changeOf({ input, source }: TestCase): RowChange {
  const base = { tx: transaction, lsn: 1n, relation: source };
  const whole = (row: CaseRow) => source.columns.map((column) => cellOf(row[column.name], column));
  if (input.kind === 'row') return { kind: 'insert', ...base, after: whole(input.row) };
  if (input.kind === 'delete') return { kind: 'delete', ...base, before: image(source, whole(input.row)) };
  const [from, to] = [whole(input.from), whole(input.to)];
  const { identity } = source;
  const moved = identity.kind === 'key' && identity.positions.some((at) => from[at] !== to[at]);
  const before = identity.kind === 'full' || moved ? image(source, from) : null;
  return { kind: 'update', ...base, before, after: to };
}

/** What the server sends of the old row. */
function image(source: Relation, tuple: readonly (string | null)[]) {
  if (source.identity.kind === 'full') return { image: 'full', tuple } as const;
  const key = new Set(source.identity.kind === 'key' ? source.identity.positions : []);
  return { image: 'key', tuple: tuple.map((cell, i) => (key.has(i) ? cell : null)) } as const;
}

function outcomeOf(change: RowChange): Actual {
  const { relation } = change;
  const tuple: PartialTuple = change.kind === 'delete' ? change.before.tuple : change.after;
  const shown = change.kind === 'delete' ? keyNames(relation) : new Set(relation.columns.map((column) => column.name));
  const row = new Map<string, string | null>();
  for (const [i, { name }] of relation.columns.entries()) {
    const cell = tuple[i];
    if (shown.has(name) && cell !== UNCHANGED) row.set(name, cell ?? null);
  }
  return { op: change.kind, table: relationName(relation), row, relation };
}

function keyNames({ identity, columns }: Relation): ReadonlySet<string> {
  const at = identity.kind === 'key' ? identity.positions : columns.keys();
  return new Set([...at].map((i) => columns[i]!.name));
}

function strip({ op, table, row }: Actual): Outcome {
  return { op, table, row };
}

/** Expected values in the format of the columns that they are compared with. */
function expectation(of: TestCase, op: Outcome['op'], given: CaseRow, actual: readonly Actual[]): Outcome {
  const relation = actual[0]?.relation ?? of.source;
  const types = new Map(relation.columns.map((column) => [column.name, column]));
  const row = new Map<string, string | null>();
  for (const [name, value] of Object.entries(given)) {
    const column = types.get(name);
    row.set(name, column === undefined ? (value === null ? null : String(value)) : cellOf(value, column));
  }
  return { op, table: of.target ?? actual[0]?.table ?? relationName(of.source), row };
}

function same(expected: readonly Outcome[], actual: readonly Outcome[]): boolean {
  return (
    expected.length === actual.length &&
    expected.every((each, i) => {
      const other = actual[i]!;
      if (each.op !== other.op || each.table !== other.table || each.row.size !== other.row.size) return false;
      return [...each.row].every(([name, value]) => other.row.get(name) === value);
    })
  );
}
