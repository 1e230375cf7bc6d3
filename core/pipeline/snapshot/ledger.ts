import { randomUUID } from 'node:crypto';
import type { SnapshotLsn } from '../../postgres/lsn.ts';
import type { TablePlan } from '../../api/plan.ts';
import type { LoadedRange } from '../../api/sink.ts';
import { type Relation, relationName } from '../../postgres/relation.ts';
import type { WaitingRange } from '../../api/shared-copy.ts';
import type { SnapshotSession } from '../../api/snapshot.ts';
import { runtimeError } from '../errors.ts';
import { isOrdered, KeyOrder } from '../ledger/key-order.ts';
import type { Ranges as RangePositions } from '../ledger/ranged-table.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import { member, type Member, type StateEntry } from '../state/entries.ts';
import type { CopyJob } from './copy-job.ts';
import { planDigest } from './take-range.ts';

/** A table's ledger with what is in already. */
export interface Ledger {
  readonly noted: Member<'ledger'>;
  readonly rows: bigint;
  readonly bytes: number;
  /** Ranges that are not in. */
  readonly waiting: number;
}

interface Wanted {
  readonly sink: PlannedSink;
  readonly plan: TablePlan;
  readonly session: SnapshotSession;
  readonly chunkBytes: number;
  readonly signal: AbortSignal;
}

/**
 * The columns by which a table can be copied in ranges: they have an index, and every change tells where a row was by them. A
 * string: why there are none. Pure.
 */
export function rangeColumns({ source, unlogged }: TablePlan): readonly string[] | string {
  const { primaryKey, identity, columns } = source;
  if (unlogged === true) return 'it is unlogged, and no stream brings its ranges to one state';
  if (primaryKey.length === 0) return 'it has no primary key';
  if (source.deferrableKey === true) return 'its primary key is deferrable';
  const told =
    identity.kind === 'full' || (identity.kind === 'key' && primaryKey.every((at) => identity.positions.includes(at)));
  if (!told) return 'its primary key is not in its replica identity';
  const key = primaryKey.map((at) => columns[at]!);
  const generated = key.find((column) => column.generated !== 'never');
  if (generated !== undefined)
    return `column ${generated.name} of its key is generated, and the stream does not carry it`;
  const other = key.find((column) => !isOrdered(column));
  if (other !== undefined) return `the order of type ${other.typeName} (column ${other.name}) is not known here`;
  return key.map(({ name }) => name);
}

/**
 * The ranges of a large table that are not in the sink yet (I5). Null: it is copied under one snapshot, for a reason that is logged.
 * What an earlier snapshot brought stays, unless the table has been emptied, rewritten or altered since.
 */
export async function inRanges(context: RunContext, wanted: Wanted): Promise<Ledger | null> {
  const { sink, plan, session } = wanted;
  const { ranges } = sink.sink.snapshot;
  const table = relationName(plan.source);
  const unfit = (why: string): null => {
    const text = `${table} is copied under one snapshot, as ${why}: a copy that breaks starts it again`;
    context.log.log('info', 'ledger-unfit', text, { table, sink: sink.name, why });
    return null;
  };
  if (ranges === undefined) return unfit('its sink takes no ranges that have positions of their own');
  if (session.keyRanges === undefined || session.standing === undefined) return unfit('its source reads none');
  const columns = rangeColumns(plan);
  if (typeof columns === 'string') return unfit(columns);
  const noted = await cut(context, wanted, columns);
  if (typeof noted === 'string') return unfit(noted);
  const all = rangesOf(plan.source, noted);
  const given = { ledger: noted.id, columns, plan: planDigest(plan), ranges: all };
  const done = await ranges.begin(plan, given, wanted.signal);
  if (typeof done === 'string') return unfit(done);
  let [rows, bytes] = [0n, 0];
  for (const range of done.values()) {
    rows += range.rows;
    bytes += range.bytes;
  }
  const text = `${table} is copied in ${all.length} ranges of (${columns.join(', ')}), of which ${done.size} are in`;
  context.log.log('info', 'ledger', text, { table, sink: sink.name, ranges: all.length, done: done.size });
  return { noted, rows, bytes, waiting: all.length - done.size };
}

/** The table is copied under one snapshot this time: its ranges of an earlier try must not count later. */
export async function forgetRanges({ state }: RunContext, sink: PlannedSink, plan: TablePlan): Promise<void> {
  const which = `${sink.name}:${relationName(plan.source)}`;
  if (state.of('ledger', which) !== null) await state.putAll([member('ledger', which, null)]);
}

/** As it is noted, where that still holds; else cut again, and noted before the first chunk. */
async function cut(
  { state }: RunContext,
  { sink, plan, session, chunkBytes }: Wanted,
  columns: readonly string[],
): Promise<Member<'ledger'> | string> {
  const which = `${sink.name}:${relationName(plan.source)}`;
  const before = state.of('ledger', which);
  const standing = await session.standing!(plan.source);
  const same = before?.standing === standing && before.columns.join('\0') === columns.join('\0');
  if (before !== null && same && before.exact.length === 0) {
    // Before a range of this snapshot can be in: whoever promotes a standby must know how far the target may have come.
    const noted = { ...before, upTo: highestOf([before.upTo, session.exactAt]) };
    await state.putAll([member('ledger', which, noted)]);
    return noted;
  }
  const made = await session.keyRanges!(plan.source, columns, chunkBytes);
  if (typeof made === 'string') return made;
  const order = new KeyOrder(columns.map((name) => plan.source.columns.find((column) => column.name === name)!));
  if (!order.isAscending(made.bounds)) return 'the source orders its keys in another way than is known here';
  const noted = {
    id: randomUUID(),
    standing,
    columns,
    bounds: made.bounds as string[][],
    bytes: made.bytes,
    upTo: session.exactAt,
    exact: [],
  };
  await state.putAll([member('ledger', which, noted)]);
  return noted;
}

function rangesOf(relation: Relation, noted: Member<'ledger'>): readonly WaitingRange[] {
  const { bounds } = noted;
  const bytes = Math.round(noted.bytes / (bounds.length + 1));
  return Array.from({ length: bounds.length + 1 }, (_, i) => ({
    chunk: chunkId(relation, noted, i),
    from: bounds[i - 1] ?? null,
    to: bounds[i] ?? null,
    bytes,
  }));
}

function chunkId(relation: Relation, { id }: Member<'ledger'>, range: number): string {
  return `${relationName(relation)}#${id}:${range}`;
}

/**
 * Whether ranges of a table can be read under another snapshot than the one that it was cut under: nothing but rows changed between
 * the two. How far they may then reach is noted before any of them is in.
 */
export async function noteReader(
  { state }: RunContext,
  { sink, name, plan, ledger }: CopyJob,
  session: SnapshotSession,
): Promise<boolean> {
  const which = `${sink.name}:${name}`;
  const standing = await session.standing?.(plan.source);
  // Read after that answer: other readers note theirs meanwhile, and the table may be through.
  const noted = state.of('ledger', which);
  if (ledger === null || noted?.id !== ledger.noted.id || noted.exact.length > 0) return false;
  if (standing !== noted.standing) return false;
  await state.putAll([member('ledger', which, { ...noted, upTo: highestOf([noted.upTo, session.exactAt]) })]);
  return true;
}

/** All ranges as the sink committed them: a load whose answer was lost may be of an earlier snapshot. */
export async function allRanges(
  { sink }: PlannedSink,
  plan: TablePlan,
  { noted }: Ledger,
  signal: AbortSignal,
): Promise<readonly LoadedRange[]> {
  const loaded = await sink.snapshot.ranges!.loaded(plan, signal);
  return Array.from({ length: noted.bounds.length + 1 }, (_, i) => {
    const chunk = chunkId(plan.source, noted, i);
    const range = loaded.get(chunk);
    if (range === undefined) {
      const where = { table: relationName(plan.source), chunk };
      throw runtimeError('PGS3201', `range ${i + 1} of ${where.table} is not in the target`, { where });
    }
    return range;
  });
}

/** The positions of a table's ranges while some are not in: those will come at or beyond `at`. Null: none is in. */
export async function rangesBegun(
  { sink, plan, ledger }: CopyJob,
  at: SnapshotLsn,
  signal: AbortSignal,
): Promise<RangePositions | null> {
  const { noted } = ledger!;
  const loaded = await sink.sink.snapshot.ranges!.loaded(plan, signal);
  const { columns, bounds } = noted;
  const each = Array.from({ length: bounds.length + 1 }, (_, i) => loaded.get(chunkId(plan.source, noted, i)));
  if (each.every((range) => range === undefined)) return null;
  return { columns, bounds, exact: each.map((range) => range?.exactAt ?? at) };
}

export function highestOf(exact: readonly SnapshotLsn[]): SnapshotLsn {
  return exact.reduce((highest, at) => (at > highest ? at : highest));
}

/** Saved together with the table's state: from then on the stream goes by it. */
export function noteRanges(
  { sink, name, ledger }: CopyJob,
  exact: readonly SnapshotLsn[] | null,
): readonly StateEntry[] {
  const which = `${sink.name}:${name}`;
  return exact === null || ledger === null
    ? []
    : [member('ledger', which, { ...ledger.noted, upTo: highestOf(exact), exact })];
}
