import type { TransactionInfo } from '../../../core/api/change.ts';
import type { TablePlan } from '../../../core/api/plan.ts';
import type { RowCopy } from '../../../core/api/snapshot.ts';
import type { RecordLsn } from '../../../core/postgres/lsn.ts';
import type { Target } from '../client/producer.ts';
import type { Outbox } from '../outbox.ts';
import { now } from '../records/moment.ts';
import { Pages } from './pages.ts';

interface CopyTo {
  readonly plan: TablePlan;
  readonly topic: Target;
  readonly outbox: Outbox;
  readonly signal: AbortSignal;
}

/** Rows of a chunk. They are of no transaction; what stands for one is new with each run of rows, so that pages end. */
export async function copyRows(copy: RowCopy, { plan, topic, outbox, signal }: CopyTo): Promise<void> {
  const pages = new Pages(topic);
  for await (const rows of copy.rows) {
    signal.throwIfAborted();
    const tx = { ...nothing(), finalLsn: (copy.at?.lsn ?? 0n) as bigint as RecordLsn };
    for (const row of rows) {
      pages.addRow(plan.output, row, tx, outbox);
      if (outbox.full) await outbox.ship();
    }
  }
  pages.end(outbox, true);
}

/** The table is copied again: what stands in the journal of it so far counts no more. */
export function emptyTable({ output }: TablePlan, topic: Target, outbox: Outbox): void {
  const pages = new Pages(topic);
  const tx = nothing();
  pages.add(
    { kind: 'truncate', tx, lsn: tx.finalLsn, relations: [output], cascade: false, restartIdentity: false },
    outbox,
  );
  pages.end(outbox, true);
}

function nothing(): TransactionInfo {
  return { xid: 0, finalLsn: 0n as RecordLsn, commitTime: now(), origin: null };
}
