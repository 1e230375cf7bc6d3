import type { Change, StreamBatch, TransactionInfo } from '../../../core/api/change.ts';
import type { ChangeStream, StreamItem, StreamStart } from '../../../core/api/source.ts';
import type { CommitLsn, RecordLsn } from '../../../core/postgres/lsn.ts';
import { kafkaError } from '../errors.ts';
import { Offsets } from './offsets.ts';
import type { LogRecord, Partition, Partitions, Piece } from './partitions.ts';

export interface RecordChanges {
  readonly changes: readonly Change[];
  /** Of the commit on the source, microseconds since 1970; null: the record does not say. */
  readonly commitTime: bigint | null;
}

/** How records of a format become changes. */
export interface Records {
  /** Records make sense only from the first one on. */
  readonly whole: boolean;
  /** Null: nothing that concerns rows. `lsn`: the place of its first change. */
  read(record: LogRecord, tx: TransactionInfo, lsn: bigint): RecordChanges | null;
  /** The record's transaction goes on in the next one of its partition. */
  goesOn(record: LogRecord): boolean;
}

export interface Following {
  readonly partitions: Partitions;
  readonly records: Records;
  readonly start: StreamStart;
  /** Where each partition ends, if `start.until` is the sum of that. */
  readonly bounds: readonly Partition[] | null;
  readonly signal: AbortSignal;
}

/** All partitions as one stream: what one look at the brokers brings is a transaction. */
export function logStream(of: Following): ChangeStream {
  const end = new AbortController();
  const items = follow({ ...of, signal: AbortSignal.any([of.signal, end.signal]) });
  return {
    [Symbol.asyncIterator]: () => items,
    // The offsets are with the rows; Kafka need not be told.
    confirm: () => {},
    flushConfirmed: async () => {},
    [Symbol.asyncDispose]: async () => end.abort(),
  };
}

/** Milliseconds between looks for topics and partitions that are new. */
export const lookEvery = 30_000;

async function* follow(of: Following): AsyncGenerator<StreamItem> {
  const { partitions, start, bounds, signal } = of;
  const offsets = Offsets.parse(start.place);
  if (start.place === undefined && start.from !== 0n) {
    throw kafkaError('PGS5046', 'the sinks have rows of a position whose offsets the checkpoint does not have');
  }
  let found: readonly Partition[] = [];
  let lookAt = 0;
  for (;;) {
    signal.throwIfAborted();
    if (Date.now() >= lookAt) {
      found = await partitions.discover();
      for (const partition of found) offsets.meet(partition);
      lookAt = Date.now() + lookEvery;
    }
    const rest = found.filter((partition) => offsets.at(partition) < boundOf(partition, bounds));
    const { until } = start;
    if (until !== null && (offsets.sum >= until || (bounds !== null && rest.length === 0))) return;
    const asked = rest.map((partition) => ({ of: partition, at: offsets.at(partition) }));
    const pieces = asked.length === 0 ? await pause(signal) : await partitions.read(asked);
    const before = offsets.sum;
    const taken = pieces.map((piece) => cut(piece, { offsets, until, bound: boundOf(piece.of, bounds) }));
    if (offsets.sum === before) continue;
    const batch = item(taken, { before, boundary: offsets.sum, records: of.records });
    yield { kind: 'batch', batch: { ...batch, place: String(offsets) } };
  }
}

const endless = 1n << 63n;

export function boundOf({ topic, partition }: Partition, bounds: readonly Partition[] | null): bigint {
  if (bounds === null) return endless;
  return bounds.find((each) => each.topic === topic && each.partition === partition)?.end ?? 0n;
}

export async function pause(signal: AbortSignal): Promise<readonly Piece[]> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, 500);
    signal.addEventListener('abort', done, { once: true });
  });
  return [];
}

/** What lies beyond the end is left; the offsets move on to where the piece ends. */
function cut(
  { of, records, next }: Piece,
  { offsets, until, bound }: { readonly offsets: Offsets; readonly until: bigint | null; readonly bound: bigint },
): Piece {
  const at = offsets.at(of);
  const room = until === null ? endless : at + until - offsets.sum;
  const end = [next, bound, room].reduce((least, one) => (one < least ? one : least));
  if (end > at) offsets.advance(of, end);
  return { of, next: end, records: records.filter(({ offset }) => offset < end) };
}

interface Reading {
  readonly before: bigint;
  readonly boundary: bigint;
  readonly records: Records;
  /** The transaction that goes on. */
  readonly tx?: TransactionInfo;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Records of several partitions as one transaction. */
export function item(pieces: readonly Piece[], { before, boundary, records, tx: open }: Reading): StreamBatch {
  const xid = Number(BigInt.asUintN(32, boundary));
  const begun = { xid, finalLsn: before as RecordLsn, commitTime: 0n, origin: null };
  const tx: Writable<TransactionInfo> = open ?? begun;
  let commitTime = 0n;
  let bytes = 0;
  const changes: Change[] = [];
  for (const piece of pieces) {
    for (const record of piece.records) {
      bytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
      const read = records.read(record, tx, before + BigInt(changes.length));
      if (read === null) continue;
      for (const change of read.changes) changes.push(change);
      if (read.commitTime !== null && read.commitTime > commitTime) commitTime = read.commitTime;
    }
  }
  if (commitTime === 0n) commitTime = BigInt(Date.now()) * 1000n;
  tx.commitTime = commitTime;
  return { changes, boundary: boundary as CommitLsn, commitTime, transactions: 1, bytes, values: 'text' };
}
