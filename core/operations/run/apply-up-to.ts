import { formatLsn, type SnapshotLsn } from '../../postgres/lsn.ts';
import { relationName } from '../../postgres/relation.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import { Shapes } from '../../pipeline/ddl/shapes.ts';
import { tellDdl } from '../../pipeline/ddl/tell-ddl.ts';
import type { Ranges } from '../../pipeline/ledger/ranged-table.ts';
import type { Uncopied } from '../../pipeline/ledger/uncopied.ts';
import type { Instances, PlannedSink, RunContext } from '../../pipeline/open/instances.ts';
import { planAgain } from '../../pipeline/open/planning.ts';
import { exactFor } from '../../pipeline/snapshot/copy-chunk.ts';
import { rangesBegun } from '../../pipeline/snapshot/ledger.ts';
import type { Copied } from '../../pipeline/snapshot/phase.ts';
import { runStream } from '../../pipeline/stream/run-stream.ts';
import { copiesUnknown, unknownTable } from './unknown-values.ts';

/**
 * `snapshot.stream: during`: between two snapshots of the first copy, the stream is applied up to the position of the one that has
 * ended, so that the slot keeps the WAL of two snapshots and not of the whole copy. Whatever is not in a sink comes under a later
 * snapshot, which has all that is skipped of it here (I5).
 */
export async function applyUpTo(
  context: RunContext,
  given: { readonly config: PipelineConfig; readonly instances: Instances },
  { round, begun }: Copied,
): Promise<void> {
  const { log, state, stop } = context;
  const { exactAt } = round.session;
  const { identity, handoff } = state.head!;
  if (handoff === null || exactAt <= handoff) return;
  const waits = (why: string): void => {
    log.log('warn', 'stream-waits', `changes are applied when the copy is done: ${why}`, {});
  };
  if (round.unsteady.length > 0)
    return waits(`${round.unsteady.join(', ')} came, or changed on the source after the copy of it`);
  const planning = await planAgain(given.instances.sinks, round.catalog, true, stop);
  const { sinks } = planning;
  for (const { sink } of sinks) await sink.snapshot.ranges?.closeBelow(exactAt, stop);
  const ranges = new Map<string, Ranges>();
  for (const job of begun) {
    const positions = await rangesBegun(job, exactAt, stop);
    if (positions === null) continue;
    if ((await job.sink.sink.snapshot.ranges!.isKeyed(job.plan, stop)) === false)
      return waits(`the key of ${job.name} is not there while it is copied`);
    ranges.set(`${job.sink.name}:${job.name}`, positions);
  }
  const at = new Map(sinks.map((sink) => [sink.name, exactFor(sink, { handoff, exactAt }) as SnapshotLsn] as const));
  const uncopied: Uncopied = { at, ranges };
  log.log('info', 'stream-during', `changes up to ${formatLsn(exactAt)} are applied to what is copied`, {
    lsn: formatLsn(exactAt),
  });
  await follow({ ...context, uncopied }, given.config, { planning, identity, handoff, until: exactAt }).catch(
    (error: unknown) => copyAgain(context, given.config, sinks, error),
  );
  stop.throwIfAborted();
}

async function follow(
  context: RunContext,
  config: PipelineConfig,
  of: Pick<Parameters<typeof runStream>[1], 'identity' | 'handoff' | 'until'> & {
    readonly planning: Awaited<ReturnType<typeof planAgain>>;
  },
): Promise<void> {
  const { planning, ...from } = of;
  const { sinks } = planning;
  const told = config.ddl === 'follow';
  if (told) await tellDdl(context);
  const shapes = await Shapes.open(context, planning, { follow: told, copies: copiesUnknown(config, sinks) });
  await runStream(context, {
    ...from,
    sinks,
    mapperAt: (sink, position) => shapes.mapper(sink, position),
    ...(told ? { beforeBatch: (batch) => shapes.see(batch) } : {}),
  });
}

/** A table of which values are not known any more waits for the next snapshot. Rethrows what no copy mends. */
async function copyAgain(
  context: RunContext,
  config: PipelineConfig,
  sinks: readonly PlannedSink[],
  error: unknown,
): Promise<void> {
  const { relation, before } = await unknownTable(context, config, sinks, error);
  const names = [...new Set([before, relationName(relation)])];
  await context.state.forgetTables(
    names,
    sinks.map(({ name }) => name),
    [],
  );
}
