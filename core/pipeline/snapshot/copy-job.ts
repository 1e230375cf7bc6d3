import type { Tuple } from '../../postgres/tuple.ts';
import type { OpaqueTail, TablePlan } from '../../api/plan.ts';
import { relationName } from '../../postgres/relation.ts';
import type { CopyChunk, RawCopy, RowCopy, SnapshotSession } from '../../api/snapshot.ts';
import type { TableView } from '../progress/run-view.ts';
import type { PlannedSink } from '../open/instances.ts';
import type { LoadResult } from '../../api/sink.ts';
import type { Ledger } from './ledger.ts';
import type { RateLimit } from './rate-limit.ts';

/** Who reads a chunk, and counts its bytes. */
export interface ChunkReader {
  readonly limit: RateLimit;
  readonly signal: AbortSignal;
  readonly count: (bytes: number) => void;
}

/** One table's way into one sink: its chunks, and how many of them are still to come. */
export class CopyJob {
  readonly sink: PlannedSink;
  readonly plan: TablePlan;
  readonly view: TableView;
  /** None of a table that is copied in ranges: they are taken from its sink. */
  readonly chunks: readonly CopyChunk[];
  /** Null: begun where its first chunk comes. */
  readonly ledger: Ledger | null;
  /** It was told that the snapshot becomes too old over it. */
  outlived = false;
  rows = 0n;
  bytes = 0;
  /** Bytes that other processes copied, as the view has them. */
  #others = 0;
  #left: number;
  #begun: Promise<void> | null = null;

  constructor(
    sink: PlannedSink,
    plan: TablePlan,
    of: { readonly chunks: readonly CopyChunk[]; readonly view: TableView; readonly ledger?: Ledger },
  ) {
    const { chunks, view, ledger = null } = of;
    this.sink = sink;
    this.plan = plan;
    this.chunks = chunks;
    this.view = view;
    this.#left = chunks.length;
    this.ledger = ledger;
    if (ledger !== null) {
      this.#begun = Promise.resolve();
      this.rows = ledger.rows;
      this.bytes = ledger.bytes;
      view.rows = this.rows;
      view.bytes = this.bytes;
    }
  }

  get name(): string {
    return relationName(this.plan.source);
  }

  /** Something of it is in the sink already, of this snapshot or, with a ledger, of any. */
  get begun(): boolean {
    return this.#begun !== null;
  }

  /** Removes what a broken copy left, once, before the first chunk. */
  begin(signal: AbortSignal): Promise<void> {
    this.#begun ??= this.sink.sink.snapshot.begin?.(this.plan, this.chunks.length, signal) ?? Promise.resolve();
    return this.#begun;
  }

  /** All of its ranges are in, as its sink counted them. */
  are(ranges: readonly LoadResult[]): void {
    this.rows = ranges.reduce((sum, { rows }) => sum + rows, 0n);
    this.bytes = ranges.reduce((sum, { bytes }) => sum + bytes, 0);
    this.view.rows = this.rows;
    this.view.bytes = this.bytes;
  }

  /** What is in by whomever: the view shows what other processes copied, too. */
  allIn({ bytes, rows }: LoadResult): void {
    const others = Math.max(0, bytes - this.bytes);
    this.view.bytes += others - this.#others;
    this.#others = others;
    this.view.rows = rows;
  }

  /** What is read of it for one chunk, which is taken back where that does not come in. */
  reading(): { readonly count: (bytes: number) => void; readonly undo: () => void } {
    let read = 0;
    const count = (bytes: number): void => {
      read += bytes;
      this.view.bytes += bytes;
    };
    return { count, undo: () => count(-read) };
  }

  /** Counts a chunk that is in. Returns whether it was the last. */
  loaded(rows: bigint, bytes: number): boolean {
    this.rows += rows;
    this.bytes += bytes;
    this.view.rows = this.rows;
    this.#left -= 1;
    return this.#left === 0;
  }
}

/** Opens a chunk by the plan's route; every byte is counted and pays the rate limit. */
export async function openChunk(
  session: SnapshotSession,
  plan: TablePlan,
  chunk: CopyChunk,
  more: ChunkReader,
): Promise<RawCopy | RowCopy> {
  const meter = (bytes: number): Promise<void> | null => {
    more.count(bytes);
    return more.limit.limited ? more.limit.take(bytes, more.signal) : null;
  };
  if (plan.route.kind === 'raw') {
    const copy = await session.openRaw(chunk, plan.query, plan.route.format, more.signal);
    return { ...copy, frames: metered(copy.frames, (frame) => frame.byteLength, meter) };
  }
  const { lines, ...copy } = await session.openRows(chunk, plan.reading?.query ?? plan.query, more.signal);
  const rows = metered(copy.rows, sizeOf, meter);
  const { exactAt: lsn, takenAt, xid } = session;
  const at = { lsn, takenAt, ...(xid === undefined ? {} : { xid }) };
  if (plan.tail !== null) return { ...copy, at, rows: through(rows, plan.tail) };
  if (lines === undefined) return { ...copy, at, rows };
  return { ...copy, at, rows, lines: metered(lines, (some) => some.byteLength, meter) };
}

async function* metered<T>(
  items: AsyncIterable<T>,
  size: (item: T) => number,
  meter: (bytes: number) => Promise<void> | null,
): AsyncGenerator<T> {
  for await (const item of items) {
    const wait = meter(size(item));
    if (wait !== null) await wait;
    yield item;
  }
}

async function* through(rows: AsyncIterable<readonly Tuple[]>, tail: OpaqueTail): AsyncGenerator<readonly Tuple[]> {
  for await (const batch of rows) {
    const mapped = await tail.rows(batch);
    if (mapped.length > 0) yield mapped;
  }
}

function sizeOf(rows: readonly Tuple[]): number {
  let bytes = 0;
  for (const row of rows) for (const cell of row) bytes += cell === null ? 1 : cell.length + 1;
  return bytes;
}
