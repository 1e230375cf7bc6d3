import { createHash } from 'node:crypto';
import type { TablePlan } from '../../api/plan.ts';
import type { OpenRange, TakenRange } from '../../api/shared-copy.ts';
import type { RangeSink } from '../../api/sink.ts';
import type { SnapshotSession } from '../../api/snapshot.ts';
import { canonical } from '../open/fingerprint.ts';
import { type ChunkReader, openChunk } from './copy-job.ts';

/** A table of which ranges may be taken. */
export interface Takeable {
  readonly plan: TablePlan;
  /** A range of it is claimed. */
  readonly opens: () => void;
  readonly count: ChunkReader['count'];
}

export interface TakeInput extends Omit<ChunkReader, 'count'> {
  readonly ranges: RangeSink;
  /** By ledger, those first that are to be copied first. */
  readonly tables: ReadonlyMap<string, Takeable>;
  readonly session: SnapshotSession;
}

/** Copies a range that no process is at. Null: none is free. */
export function takeRange(input: TakeInput): Promise<TakenRange | null> {
  const { ranges, tables, session, limit, signal } = input;
  const open: OpenRange = async ({ ledger, chunk: id, columns, from, to, bytes }) => {
    const { plan, opens, count } = tables.get(ledger)!;
    opens();
    const range = { columns, from, to };
    const chunk = { id, relation: plan.source, range, bytes, exactAt: session.exactAt };
    return { plan, copy: await openChunk(session, plan, chunk, { limit, signal, count }) };
  };
  return ranges.take([...tables.keys()], { exactAt: session.exactAt, open }, signal);
}

/** What makes one process's rows of a range the same as another's. The text of a query may hold a secret; of this nobody reads it. */
export function planDigest({ source, output, query, reading, route }: TablePlan): string {
  const format = route.kind === 'raw' ? route.format : null;
  return createHash('sha256')
    .update(canonical([source, output, query, reading, route.kind, format]))
    .digest('hex');
}
