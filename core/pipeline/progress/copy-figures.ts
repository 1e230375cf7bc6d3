import type { RunView, TablePhase, TableView } from './run-view.ts';

/** Sums of the copy over all tables and sinks. */
export interface CopyFigures {
  /** Tables per sink, including those of earlier runs. */
  readonly tables: number;
  readonly finished: number;
  readonly phases: Readonly<Record<TablePhase, number>>;
  /** Estimated bytes on the source of this run's tables, and how many of them are done. */
  readonly estimatedBytes: number;
  readonly doneBytes: number;
  /** Bytes and rows sent. */
  readonly bytes: number;
  readonly rows: bigint;
  /** Seconds until the last row is copied at the pace so far; null while that would be a guess. */
  readonly secondsLeft: number | null;
}

/** Below these limits no remaining time is estimated. */
const least = { seconds: 3, part: 0.01 };

export function copyFigures(view: RunView, now: number): CopyFigures {
  const phases = { pending: 0, copying: 0, copied: 0, indexing: 0, finished: view.finishedBefore };
  let [estimatedBytes, doneBytes, bytes, rows] = [0, 0, 0, 0n];
  for (const table of view.tables.values()) {
    phases[table.phase]++;
    estimatedBytes += table.estimate;
    doneBytes += throughBytes(table);
    bytes += table.bytes;
    rows += table.rows;
  }
  const tables = view.tables.size + view.finishedBefore;
  const seconds = (now - view.phaseSince) / 1000;
  const part = estimatedBytes === 0 ? 0 : doneBytes / estimatedBytes;
  const foreseeable = view.phase === 'copy' && seconds >= least.seconds && part >= least.part;
  // Sent bytes and estimated bytes differ, so the remaining time is extrapolated from the part that is done.
  const secondsLeft = foreseeable ? (seconds * (1 - part)) / part : null;
  return { tables, finished: phases.finished, phases, estimatedBytes, doneBytes, bytes, rows, secondsLeft };
}

/** The bytes of the estimate that are done; for a copied table all of them, whatever its real size. */
export function throughBytes(table: TableView): number {
  if (table.phase !== 'pending' && table.phase !== 'copying') return table.estimate;
  return Math.min(table.estimate, table.bytes);
}
