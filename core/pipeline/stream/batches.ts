import type { Change, StreamBatch } from '../../api/change.ts';
import { joinSteps } from '../../api/logs.ts';
import type { Contained } from '../ddl/contained.ts';
import type { CommitLsn } from '../../postgres/lsn.ts';
import type { MapperPace } from '../../api/plan.ts';

/**
 * Leaves out what a sink already has: transactions at or below its own position (after a restart the stream begins at
 * the slowest sink's position), and what the copies of its tables contain (I5). A transaction is in a snapshot, or below a position, iff its commit record starts below it.
 */
export class Skip {
  readonly #position: bigint;
  readonly #contained: Contained | null;
  readonly #highest: bigint;

  /** `contained` null: only the position counts. */
  constructor(position: bigint, contained: Contained | null) {
    this.#position = position;
    this.#contained = contained;
    const copied = contained?.highest ?? 0n;
    this.#highest = copied > position ? copied : position;
  }

  /** The changes that the sink does not have; the input itself if those are all of them. */
  filter(changes: readonly Change[]): readonly Change[] {
    const last = changes[changes.length - 1];
    // Commit records come in order, so when the first change is beyond every position, all are.
    if (last === undefined || changes[0]!.tx.finalLsn >= this.#highest) return changes;
    const kept: Change[] = [];
    for (const change of changes) {
      const left = this.#keep(change);
      if (left !== null) kept.push(left);
    }
    return kept;
  }

  #keep(change: Change): Change | null {
    const at = change.tx.finalLsn;
    if (at >= this.#highest) return change;
    if (at < this.#position) return null;
    const contained = this.#contained;
    if (contained === null) return change;
    if (change.kind === 'message') return contained.hasMessage(change) ? null : change;
    if (change.kind !== 'truncate') return contained.left(change);
    const relations = change.relations.filter((relation) => !contained.hasTruncate(relation, at));
    if (relations.length === 0) return null;
    return relations.length === change.relations.length ? change : { ...change, relations };
  }
}

/**
 * Splits a batch that ends inside a transaction: the whole transactions before that one are committed on their own,
 * then what there is of it follows. Written together, a failure in the last one would roll back the others.
 */
export function wholeFirst(batch: StreamBatch): readonly StreamBatch[] {
  const { changes, boundary } = batch;
  const last = changes[changes.length - 1];
  if (batch.logs !== undefined) return [batch];
  if (boundary !== null || last === undefined || changes[0]!.tx.finalLsn === last.tx.finalLsn) return [batch];
  const at = changes.findIndex((change) => change.tx.finalLsn === last.tx.finalLsn);
  const before = changes[at - 1]!.tx;
  const end = last.tx.finalLsn as bigint as CommitLsn;
  return [
    {
      ...batch,
      changes: changes.slice(0, at),
      boundary: end,
      commitTime: before.commitTime,
      transactions: 0,
      bytes: 0,
    },
    { ...batch, changes: changes.slice(at) },
  ];
}

/**
 * Splits a batch after transactions that changed types: rows of later transactions may have values that a target
 * accepts only after the type change is committed there.
 */
export function typesFirst(batch: StreamBatch): readonly StreamBatch[] {
  if (batch.logs !== undefined) return [batch];
  const parts: StreamBatch[] = [];
  let rest = batch;
  for (;;) {
    const { changes } = rest;
    const of = changes.find(changesTypes);
    const next = of === undefined ? -1 : changes.findIndex(({ tx }) => tx.finalLsn > of.tx.finalLsn);
    if (of === undefined || next === -1) return [...parts, rest];
    const end = changes[next]!.tx.finalLsn as bigint as CommitLsn;
    const { commitTime } = of.tx;
    parts.push({ ...rest, changes: changes.slice(0, next), boundary: end, commitTime, transactions: 0, bytes: 0 });
    rest = { ...rest, changes: changes.slice(next) };
  }
}

const typesMessage = '"op": "types"';

function changesTypes(change: Change): boolean {
  return (
    change.kind === 'message' && change.prefix === 'pgsluice' && Buffer.from(change.content).includes(typesMessage)
  );
}

/** Several batches as one; it ends where the last one ends. */
export function join(batches: readonly StreamBatch[]): StreamBatch {
  const last = batches[batches.length - 1]!;
  return {
    changes: batches.flatMap((batch) => batch.changes),
    boundary: last.boundary,
    commitTime: last.commitTime,
    transactions: batches.reduce((sum, batch) => sum + batch.transactions, 0),
    bytes: batches.reduce((sum, batch) => sum + batch.bytes, 0),
    values: last.values,
    ...(last.logs === undefined ? {} : { logs: joinSteps(batches.flatMap(({ logs = [] }) => logs)) }),
  };
}

/**
 * How far logs are read is known only at the ends of batches. So batches of logs that would have to be divided again
 * (inside a transaction, after changed types) stay separate.
 */
export function mayJoin(before: StreamBatch, next: StreamBatch): boolean {
  if (before.logs === undefined) return true;
  return before.boundary !== null && next.boundary !== null && !before.changes.some(changesTypes);
}

/** Bytes of a change's objects beside its text, and of a cell's string object. */
const perChange = 300;
const perCell = 32;

/** Above this size a write gains little, and the garbage collector has more to do. */
const mostMergeBytes = 8 << 20;

/**
 * Memory that a batch takes while it waits, in bytes, as an estimate that errs on the large side (I8). A row whose cells are read
 * is there twice: the text as it came and the strings. Bytes are passed on without being read.
 */
export function memoryOf({ bytes, changes, values }: StreamBatch): number {
  if (values === 'binary') return bytes + changes.length * perChange;
  let memory = bytes * 2;
  for (const change of changes) {
    memory += perChange;
    if (change.kind === 'insert' || change.kind === 'update') memory += change.relation.columns.length * perCell;
  }
  return memory;
}

/**
 * Bytes of memory that one write may join. One of several sinks keeps what it wrote until it is durable, for which it has
 * `room`: some writes fit in.
 */
export function mergeBytesOf(room: number, alone: boolean): number {
  return Math.min(mostMergeBytes, alone ? room : room / 4);
}

/**
 * A batch in pieces, of which only the last has the boundary: values fetched for one piece are handed on before the
 * next piece is begun (I8).
 */
export function* paced(batch: StreamBatch, pace: MapperPace): Generator<StreamBatch> {
  const { changes } = batch;
  let from = 0;
  for (let end = upTo(pace, batch, 0); end < changes.length; end = upTo(pace, batch, from)) {
    const piece = changes.slice(from, end);
    yield { ...batch, changes: piece, boundary: null, commitTime: null, transactions: 0, bytes: 0 };
    from = end;
  }
  yield from === 0 ? batch : { ...batch, changes: changes.slice(from) };
}

function upTo(pace: MapperPace, { changes }: StreamBatch, from: number): number {
  // At least one change per piece.
  return Math.max(from + 1, pace.upTo(changes, from));
}
