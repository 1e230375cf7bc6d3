import type { RangeSink } from '../../api/sink.ts';
import type { SnapshotSession } from '../../api/snapshot.ts';
import type { SinkInstance } from '../open/instances.ts';
import type { CopyRun } from './copy-chunk.ts';
import type { CopyJob } from './copy-job.ts';

/** Where other processes can take part, by what the run copies in ranges. */
function sharing(sinks: readonly SinkInstance[]): readonly RangeSink[] {
  return sinks.flatMap(({ sink }) => sink.snapshot.ranges ?? []);
}

/** Other processes may begin to take part. */
export async function openWork({ round, options, signal, jobs }: CopyRun): Promise<void> {
  if (jobs.every(({ ledger }) => ledger === null)) return;
  const { limit } = options;
  const all = sharing(round.sinks);
  for (const { shared } of all) await shared.open(limit.rate, signal);
  const [first] = all;
  if (limit.limited && first !== undefined) limit.shareBy((bytes) => first.shared.reserve(bytes));
}

/** Lends a snapshot that the run holds, for the tables that can be read under it. `since`: performance.now() before it was taken. */
export async function lend(
  { options, signal }: CopyRun,
  jobs: readonly CopyJob[],
  of: { readonly standby: string | null; readonly session: SnapshotSession; readonly since: number },
): Promise<void> {
  const { standby, session, since } = of;
  const { name, server, handoff, exactAt } = session;
  if (server === undefined || handoff === null) return;
  const { maxAge } = options;
  for (const [sink, some] of Map.groupBy(jobs, (job) => job.sink)) {
    const ledgers = some.flatMap(({ ledger }) => ledger?.noted.id ?? []);
    if (ledgers.length === 0) continue;
    const age = maxAge === null ? null : { most: maxAge, left: since + maxAge - performance.now() };
    const lent = { standby, name, server, handoff, exactAt, age, ledgers };
    await sink.sink.snapshot.ranges?.shared.lend(lent, signal);
  }
}

/** Nobody can join it any more. Whoever has joined goes on. */
export async function takeBack({ round, jobs }: CopyRun, standby: string | null): Promise<void> {
  if (jobs.every(({ ledger }) => ledger === null)) return;
  for (const { shared } of sharing(round.sinks)) await shared.takeBack(standby).catch(() => {});
}

/** The copy is through: other processes may end. */
export async function endWork(sinks: readonly SinkInstance[], signal: AbortSignal): Promise<void> {
  for (const { shared } of sharing(sinks)) await shared.over(signal);
}
