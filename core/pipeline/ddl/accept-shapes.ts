import type { Change } from '../../api/change.ts';
import type { Logger } from '../../base/logger.ts';
import { PgsluiceError } from '../../base/error.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import { type Column, type Relation, relationName } from '../../postgres/relation.ts';
import { diffShapes, type Drift, driftOf, numbersOf, withDrift } from '../plan/drift.ts';
import { planError } from '../plan/errors.ts';
import type { Accept, PlannedMapper } from '../plan/mapper.ts';
import type { ShapeHistory } from './shape-history.ts';

/** Columns of tables in the target as they are now; null: no such table. */
export type DescribeTarget = (
  tables: readonly { readonly schema: string; readonly name: string }[],
) => Promise<readonly (readonly Column[] | null)[]>;

export interface AcceptOptions {
  readonly mapper: PlannedMapper;
  /** Null: the sink has no tables of its own that could be read or altered. */
  readonly describe: DescribeTarget | null;
  readonly history: ShapeHistory;
  readonly log: Logger;
}

/**
 * If the source's shape has changed, looks whether the target was altered already, by the statement that an earlier
 * stop printed. If so, the new shape is noted and the stream goes on; otherwise the error stands. For sinks without
 * tables, such as Kafka, the restart after the stop counts as consent. For {@link PlannedMapper.accepting}.
 */
export function acceptShapes(options: AcceptOptions): Accept {
  return (error, change, begun) => accept(options, { error, change, begun });
}

interface Refused {
  readonly error: unknown;
  readonly change: Change;
  readonly begun: boolean;
}

async function accept(
  { describe, mapper, history, log }: AcceptOptions,
  { error, change, begun }: Refused,
): Promise<unknown> {
  const drift = driftOf(error);
  if (drift === null) return error;
  const { source } = drift;
  if (describe === null) {
    if (!(error instanceof PgsluiceError) || error.code !== 'PGS4012') return error;
    const mark = drift.replaced === true ? numbersOf(source) : change.lsn;
    const told = history.inCopy(source.oid, change.lsn) || !(await history.tell(source.oid, mark));
    if (!told) return withoutTables(error, drift);
  } else {
    const [now = null, old = null] = await describe([drift.is, drift.was]);
    if (drift.replaced === true || now === null || !fits(drift, now, old)) return error;
  }
  // The user's conversion in the target did not include these rows: they would be inserted unconverted.
  if (describe !== null && begun && diffShapes(drift.was, drift.is).retyped.length > 0) {
    const where = { where: { table: relationName(source), lsn: formatLsn(change.lsn) } };
    throw planError('PGS4013', 'one transaction wrote rows, changed the type of a column, and wrote rows', where);
  }
  await history.note(source.oid, { since: change.tx.finalLsn, lsn: change.lsn }, source);
  mapper.redefine(source.oid, source);
  const table = relationName(source);
  const because = describe === null ? 'its records have it from here on' : 'the target has it already';
  log.log('info', 'shape-accepted', `${table} has a new shape on the source, and ${because}`, { table });
  return null;
}

/** The same error, for a sink that has no tables to alter. */
function withoutTables({ message, where, cause }: PgsluiceError, drift: Drift): PgsluiceError {
  const remedy = 'Records from here on have the new shape: run again when their readers are ready for it.';
  return withDrift(planError('PGS4012', message, { where, cause, remedy }), drift);
}

/**
 * The target has the columns that the new output needs, with the right types if those are built in, and no longer has
 * the removed ones.
 */
function fits(drift: Drift, now: readonly Column[], old: readonly Column[] | null): boolean {
  const { was, is } = drift;
  const moved = was.schema !== is.schema || was.name !== is.name;
  if (moved && old !== null) return false;
  const diff = diffShapes(was, is);
  const target = new Map(now.map((column) => [column.name, column]));
  const there = (column: Relation['columns'][number]): boolean => {
    const found = target.get(column.name);
    return found !== undefined && found.generated === 'never';
  };
  const typed = (column: Column): boolean =>
    column.type >= 16_384 || target.get(column.name)?.typeName === column.typeName;
  return (
    is.columns.every(there) &&
    diff.added.every(typed) &&
    diff.retyped.every((pair) => typed(pair.is)) &&
    diff.removed.every((column) => !target.has(column.name))
  );
}
