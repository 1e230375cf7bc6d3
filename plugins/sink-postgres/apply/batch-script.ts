import type { Change, InsertChange, RowChange, StreamBatch, TruncateChange } from '../../../core/api/change.ts';
import { formatLsn } from '../../../core/postgres/lsn.ts';
import { stateSchema } from '../../../core/postgres/state-schema.ts';
import type { Relation } from '../../../core/postgres/relation.ts';
import type { TargetShape } from './identity.ts';
import { emitInserts, emitNet, rowsOf } from './statements.ts';
import { emitOne, emitOrdered } from './emit-ordered.ts';
import { NetChange, isInteger } from './net-change.ts';
import type { Script, Steps } from './round-trip.ts';

export interface BatchOptions {
  /** Triggers and foreign keys act: the order across tables counts, too. */
  readonly enforced: boolean;
  /** Every change as statements of its own, in order: the replay that decides after a set-wise failure. */
  readonly strict: boolean;
  readonly lenient: boolean;
  readonly shape: (relation: Relation) => TargetShape;
  /** Tables (`schema.name`) that lately failed set-wise. */
  readonly distrusted: (table: string) => boolean;
}

/** Writes the statements for a batch's changes. */
export function scriptBatch(script: Script, changes: readonly Change[], options: BatchOptions): Steps {
  if (options.strict) return inOrder(script, changes, options);
  return options.enforced ? inRuns(script, changes, options) : byTable(script, changes, options);
}

function* inOrder(script: Script, changes: readonly Change[], options: BatchOptions): Steps {
  for (const change of changes) {
    if (change.kind === 'message') continue;
    if (change.kind === 'truncate') truncate(script, change, options);
    else emitOne(script, options.shape(change.relation), change, options.lenient);
    if (script.handedOn) yield;
  }
}

/** In order across tables; neighbours of one table are one run. */
function* inRuns(script: Script, changes: readonly Change[], options: BatchOptions): Steps {
  let run: RowChange[] = [];
  const flush = function* (): Steps {
    const first = run[0];
    if (first === undefined) return;
    const shape = options.shape(first.relation);
    const copy = !options.distrusted(shape.table.name);
    yield* emitOrdered(script, shape, run, { lenient: options.lenient, copy });
    run = [];
  };
  for (const change of changes) {
    if (change.kind === 'message') continue;
    if (change.kind === 'truncate') {
      yield* flush();
      truncate(script, change, options);
      continue;
    }
    if (run.length > 0 && run[0]?.relation !== change.relation) yield* flush();
    run.push(change);
  }
  yield* flush();
}

interface Group {
  readonly shape: TargetShape;
  readonly changes: RowChange[];
  /** Nothing but inserts: no key comes twice, or the target says so. */
  inserts: boolean;
  /** Changes of the same table in another shape (after DDL, or two sources of one target): they go first. */
  before: Group | null;
}

/** Tables are independent of each other; a truncate is a barrier for all. */
function* byTable(script: Script, changes: readonly Change[], options: BatchOptions): Steps {
  const groups = new Groups();
  for (const change of changes) {
    if (change.kind === 'message') continue;
    if (change.kind === 'truncate') {
      for (const group of groups.take()) yield* emitGroup(script, group, options);
      truncate(script, change, options);
    } else {
      const group = groups.of(change.relation) ?? groups.open(change.relation, options.shape(change.relation));
      if (group.before !== null) {
        yield* emitGroup(script, group.before, options);
        group.before = null;
      }
      group.changes.push(change);
      if (change.kind !== 'insert') group.inserts = false;
    }
  }
  for (const group of groups.take()) yield* emitGroup(script, group, options);
}

class Groups {
  readonly #byTable = new Map<string, Group>();
  readonly #byRelation = new Map<Relation, Group>();

  of(relation: Relation): Group | undefined {
    return this.#byRelation.get(relation);
  }

  open(relation: Relation, shape: TargetShape): Group {
    let group = this.#byTable.get(shape.table.name);
    if (group === undefined || !sameShape(group.shape, shape)) {
      for (const [other, its] of this.#byRelation) if (its === group) this.#byRelation.delete(other);
      group = { shape, changes: [], inserts: true, before: group ?? null };
    }
    this.#byTable.set(shape.table.name, group);
    this.#byRelation.set(relation, group);
    return group;
  }

  take(): readonly Group[] {
    const groups = [...this.#byTable.values()];
    this.#byTable.clear();
    this.#byRelation.clear();
    return groups;
  }
}

/** Rows of both mean the same columns and the same key, so they can be one run. */
function sameShape(a: TargetShape, b: TargetShape): boolean {
  if (a.relation === b.relation) return true;
  return (
    a.setWise === b.setWise &&
    String(a.key) === String(b.key) &&
    String(a.filled) === String(b.filled) &&
    a.relation.columns.length === b.relation.columns.length &&
    a.relation.columns.every((column, i) => column.name === b.relation.columns[i]?.name)
  );
}

function* emitGroup(script: Script, group: Group, options: BatchOptions): Steps {
  const { shape, changes } = group;
  const trusted = !options.distrusted(shape.table.name);
  if (shape.setWise && trusted && group.inserts) {
    yield* emitInserts(script, shape, rowsOf(changes as InsertChange[]));
    return;
  }
  if (shape.setWise && trusted) {
    const net = reduce(shape, changes, options.lenient);
    if (net !== null) {
      yield* emitNet(script, shape, net);
      return;
    }
  }
  yield* emitOrdered(script, shape, changes, { lenient: options.lenient, copy: trusted });
}

function reduce(shape: TargetShape, changes: readonly RowChange[], lenient: boolean): NetChange | null {
  // A moved key as remove and insert would lose the columns that the stream does not fill.
  const moves = shape.table.more.length === 0;
  const key = shape.key as readonly number[];
  const integer = shape.binary && key.length === 1 && isInteger(shape, key[0] as number);
  const mixed = changes.some((change) => change.relation.oid !== shape.relation.oid);
  const net = new NetChange(key, { moves, lenient, integer, mixed });
  for (const change of changes) if (!net.add(change)) return null;
  return net;
}

/**
 * Without CASCADE, as native replication does it: the source names every table that it truncated, and a table of the
 * target alone that refers to one of them must not be emptied by us.
 */
function truncate(script: Script, change: TruncateChange, options: BatchOptions): void {
  const shapes = change.relations.map((relation) => options.shape(relation));
  const tables = [...new Set(shapes.map((shape) => shape.table.only))];
  if (tables.length === 0) return;
  const text = `TRUNCATE ${tables.join(', ')}${change.restartIdentity ? ' RESTART IDENTITY' : ''}`;
  script.once(text, [], { expected: 'any', table: shapes.map((shape) => shape.table.name).join(', '), change });
}

const moved = `commit_time = coalesce(timestamptz 'epoch' + $4::int8 * interval '1 microsecond', commit_time), updated = now()`;

const ownPosition = `WITH u AS (UPDATE ${stateSchema}.position SET lsn = $3::pg_lsn, ${moved}
    WHERE pipeline = $1 AND sink = $2 AND (lsn IS NULL OR lsn < $3::pg_lsn) RETURNING 1)
  SELECT 1 / count(*) FROM u`;

/** Some of several lanes may be ahead. */
const allPositions = `WITH u AS (UPDATE ${stateSchema}.position SET lsn = greatest(lsn, $3::pg_lsn), ${moved}
    WHERE pipeline = $1 AND sink IN (SELECT json_array_elements_text($2::json)) RETURNING 1)
  SELECT 1 / count(*) FROM u`;

/** Whose position it is; `together`: names of others that move with it. */
export interface PositionOf {
  readonly pipeline: string;
  readonly name: string;
  readonly together: readonly string[];
}

/**
 * I4: the position in the transaction that holds the rows. I2: it only grows; where it would not, the division fails before the
 * commit that may be on its way behind it.
 */
export function writePosition(script: Script, { pipeline, name, together }: PositionOf, batch: StreamBatch): void {
  const lsn = formatLsn(batch.boundary as bigint);
  const micros = batch.commitTime === null ? null : String(batch.commitTime);
  if (together.length === 0) script.own(ownPosition, [pipeline, name, lsn, micros]);
  else script.own(allPositions, [pipeline, JSON.stringify([name, ...together]), lsn, micros]);
}
