import type { PgsluiceError } from '../../base/error.ts';
import type { TablePlan } from '../../api/plan.ts';
import type { StoredRows, TablePresence } from '../../api/source-database.ts';
import { type Oid, type Relation, relationName } from '../../postgres/relation.ts';
import type { PlannedSink } from '../open/instances.ts';
import { columnsRead } from '../plan/binding.ts';
import { otherColumns, replacedError, withDrift } from '../plan/drift.ts';
import { planError } from '../plan/errors.ts';
import { qualified } from '../../postgres/quote.ts';

/** What the sinks make of one table of the source. */
export interface Taken {
  readonly plans: readonly TablePlan[];
  /** Names of columns that some sink reads. */
  readonly read: ReadonlySet<string>;
  /** The plans of sinks with tables of their own, in which a change by the user can be looked up. */
  readonly tables: readonly { readonly sink: PlannedSink; readonly plan: TablePlan }[];
}

/** For each table that some sink gets. */
export function takenTables(sinks: readonly PlannedSink[]): ReadonlyMap<Oid, Taken> {
  const all = sinks.flatMap((sink) => sink.plans.map((plan) => ({ sink, plan })));
  const taken = new Map<Oid, Taken>();
  for (const [oid, of] of Map.groupBy(all, ({ plan }) => plan.source.oid)) {
    taken.set(oid, {
      plans: of.map(({ plan }) => plan),
      read: new Set(of.flatMap(({ plan }) => [...columnsRead(plan.projection)])),
      tables: of.filter(({ sink }) => sink.sink.describe !== undefined),
    });
  }
  return taken;
}

/** One look at the source's tables. */
export class Look {
  readonly tables: readonly TablePresence[];
  readonly #byOid: ReadonlyMap<Oid, TablePresence>;
  readonly #names: ReadonlySet<string>;

  constructor(tables: readonly TablePresence[]) {
    this.tables = tables;
    this.#byOid = new Map(tables.map((table) => [table.oid, table]));
    this.#names = new Set(tables.map(relationName));
  }

  of(oid: Oid): TablePresence | undefined {
    return this.#byOid.get(oid);
  }

  /**
   * A change of one of the pipeline's tables with which the stream cannot go on; null: none. `then`: the table's
   * earlier rows, as far as that matters.
   */
  lossOf(relation: Relation, { plans, read, tables }: Taken, then: StoredRows | null): PgsluiceError | null {
    const table = relationName(relation);
    const where = { where: { table } };
    const resync = `Copy the table again: pgsluice resync FILE ${table}`;
    const now = this.#byOid.get(relation.oid);
    if (now === undefined) {
      if (this.#names.has(table)) {
        const message = 'the table was dropped and created again on the source; the new one is not replicated';
        return planError('PGS4017', message, { ...where, remedy: resync });
      }
      const drops = tables.map(({ plan }) => `DROP TABLE ${qualified(plan.output)};`);
      const remedy = `Run on the target (\`pgsluice verify FILE --schema\` prints what depends on it, too), then run again: ${drops.join(' ')}`;
      return planError('PGS4016', 'the table was dropped on the source', { ...where, remedy });
    }
    if (!now.published && !now.unlogged) {
      const message = 'the table was taken out of the publication; its changes since then are not replicated';
      return planError('PGS4017', message, { ...where, remedy: resync });
    }
    const moved = otherColumns(now, relation, read);
    if (moved.length > 0) {
      const { output } = plans[0]!;
      const drift = { source: renumbered(relation, now), was: output, is: output, replaced: true };
      return withDrift(replacedError(relation, { was: output, is: output, moved }), drift);
    }
    const rewritten = then === null ? [] : rewrittenColumns(now, then, relation).filter((column) => read.has(column));
    if (rewritten.length > 0) {
      const message = `the rows were written again with other values in ${rewritten.join(', ')} (ALTER COLUMN … TYPE … USING), which the stream does not carry`;
      return planError('PGS4021', message, { ...where, remedy: resync });
    }
    if (!now.listed || !plans.some((plan) => plan.takesNewColumns === true)) return null;
    const known = new Set(relation.columns.map((column) => column.name));
    const added = now.columns.map(({ name }) => name).filter((name) => !known.has(name));
    if (added.length === 0) return null;
    const message = `new column ${added.join(', ')}, which the publication's list of columns leaves out`;
    return planError('PGS4012', message, { ...where, remedy: resync });
  }
}

/** A column that compares and sorts by another collation than the noted one. Its values are unchanged. */
export interface OtherCollation {
  readonly column: string;
  /** Null: the collation of the type. */
  readonly is: string | null;
}

/**
 * Those that the target's table of this name does not have yet either; all of them if the target's columns have other
 * names.
 */
export async function otherCollations(
  relation: Relation,
  { now, taken }: { readonly now: TablePresence; readonly taken: Taken },
  signal: AbortSignal,
): Promise<readonly OtherCollation[]> {
  const then = new Map(relation.columns.map((column) => [column.attnum, column]));
  const others = now.columns.filter(({ attnum, name, collation }) => {
    const before = then.get(attnum);
    return taken.read.has(name) && before?.collation !== undefined && before.collation !== collation;
  });
  if (others.length === 0 || taken.tables.length === 0) return [];
  const found = await Promise.all(taken.tables.map(({ sink, plan }) => sink.sink.describe!([plan.output], signal)));
  const there = found.flat().flatMap((columns) => columns ?? []);
  return others
    .filter(({ name, collation }) => !there.some((column) => column.name === name && column.collation === collation))
    .map(({ name, collation }) => ({ column: name, is: collation }));
}

/** Columns of unchanged type whose values a command wrote again; the stream reports columns of a changed type. */
function rewrittenColumns(now: TablePresence, then: StoredRows, { columns }: Relation): readonly string[] {
  const { stored } = now;
  if (stored === undefined || stored.file === then.file) return [];
  const known = new Map(columns.map((column) => [column.attnum, column]));
  return now.columns
    .filter(({ attnum, type, typmod }) => {
      const before = known.get(attnum);
      const [was, is] = [then.columns[attnum], stored.columns[attnum]];
      if (before === undefined || before.type !== type || before.typmod !== typmod) return false;
      return was !== undefined && is !== undefined && isRewritten(was, is, stored.written);
    })
    .map(({ name }) => name);
}

/**
 * The command that wrote the rows again wrote the column's row of the catalog, too: either in the transaction that last wrote the table's,
 * its TOAST table's or an index's, or, where another command wrote all of them again, without a change of what else that row holds. An older state has no text of the latter.
 */
function isRewritten(was: string, is: string, written: string): boolean {
  const [[before, formBefore], [now, form]] = [was.split(' '), is.split(' ')] as const;
  return before !== now && (written.split(' ').includes(now!) || (formBefore !== undefined && formBefore === form));
}

/** The same shape, with the attribute numbers that its names have now. */
function renumbered(relation: Relation, now: TablePresence): Relation {
  const attnums = new Map(now.columns.map(({ name, attnum }) => [name, attnum]));
  return {
    ...relation,
    columns: relation.columns.map(({ attnum, ...column }) => {
      const number = attnums.get(column.name) ?? attnum;
      return { ...column, ...(number === undefined ? {} : { attnum: number }) };
    }),
  };
}

/** The user dropped the table in the target, too: it no longer belongs to this pipeline. */
export async function isDroppedInTargets({ tables }: Taken, signal: AbortSignal): Promise<boolean> {
  for (const { sink, plan } of tables) {
    const [found] = await sink.sink.describe!([plan.output], signal);
    if (found !== null && found !== undefined) return false;
  }
  return true;
}
