import type { LogEnd } from '../../api/logs.ts';
import { formatSeconds } from '../../base/format.ts';
import { chainedSink, type Chain } from '../../pipeline/open/chain.ts';
import type { SinkInstance } from '../../pipeline/open/instances.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import { Follower } from '../cutover/follower.ts';
import { verifyError } from '../verify/errors.ts';

export interface ChainEnds {
  /** The pipeline that reads the source and writes the logs. */
  readonly reader: OpenPipeline;
  /** The one that applies them. */
  readonly applier: OpenPipeline;
  /** This process holds the applier's lock: no process applies elsewhere, so this one does. */
  readonly applierLocked: boolean;
}

/** Throws PGS7055 where the two are no chain, and PGS7004 where the appliers were never started. */
export async function openChain({ reader, applier, applierLocked }: ChainEnds): Promise<Chain & AsyncDisposable> {
  const { context, instances } = applier;
  const [sink, ...others] = instances.sinks;
  if (sink?.sink.stream.applied === undefined || others.length > 0)
    throw verifyError('PGS7055', 'the appliers have no sink that keeps how far each log is applied');
  const ends = () => endsOf(applier);
  const writer = await writerOf(reader, await ends());
  const { excluded } = await context.source.relations(context.stop);
  const label = `${context.pipeline}:`;
  const chained = chainedSink({ writer, applier: sink, excluded, label });
  const follower = applierLocked ? await Follower.start(applier) : null;
  return {
    sinks: [chained],
    deadLetters: new Map([[sink.name, context.state.deadLetters(sink.name)]]),
    async settle(patience) {
      const written = new Map(
        [...(await ends())].flatMap(([log, { start, end }]) => (start < end ? [[log, end]] : [])),
      );
      const waiting = sink.sink.stream.applied!(written, patience, context.stop);
      // Where this process applies, what stops it says more than that nothing comes.
      const behind = await (follower === null ? waiting : Promise.race([waiting, follower.ended()]));
      if (behind.length === 0) return;
      const words = `${behind.join(', ')} not applied to the end after ${formatSeconds(patience / 1000)}`;
      throw verifyError('PGS7056', words);
    },
    async [Symbol.asyncDispose]() {
      await follower?.end().catch(() => {});
    },
  };
}

function endsOf({ context: { source, stop } }: OpenPipeline): Promise<ReadonlyMap<string, LogEnd>> {
  if (source.upstream === undefined) throw verifyError('PGS7055', 'the source of the appliers reads no journal');
  return source.upstream.ends(stop);
}

/** The sink whose logs the appliers read, all of them: what one of them lacked would never come. */
async function writerOf(
  { context, instances: { sinks } }: OpenPipeline,
  ends: ReadonlyMap<string, LogEnd>,
): Promise<SinkInstance> {
  for (const sink of sinks) {
    const logs = (await sink.sink.logs?.(context.stop)) ?? new Map<string, string>();
    if (logs.size > 0 && [...logs].every(([log, of]) => ends.get(log)?.of === of)) return sink;
  }
  throw verifyError('PGS7055', `no sink of pipeline ${context.pipeline} writes what the appliers read`);
}
