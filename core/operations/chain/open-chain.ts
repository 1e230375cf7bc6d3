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
  const { applied } = sink.sink.stream;
  let follower: Promise<Follower> | null = null;
  /** Never resolves, and says what ends this process' part where it applies. */
  const applying = async (): Promise<never> => (await (follower ??= Follower.start(applier))).ended();
  return {
    sinks: [chained],
    deadLetters: new Map([[sink.name, context.state.deadLetters(sink.name)]]),
    async settle(patience) {
      const there = [...(await ends())].filter(([, { start, end }]) => start < end);
      const written = new Map(there.map(([log, { end }]) => [log, end]));
      const over = new AbortController();
      const signal = AbortSignal.any([context.stop, over.signal]);
      const waiting = applied.call(sink.sink.stream, written, patience, signal);
      try {
        const behind = await (applierLocked ? Promise.race([waiting, applying()]) : waiting);
        if (behind.length === 0) return;
        const words = `${behind.join(', ')} not applied to the end after ${formatSeconds(patience / 1000)}`;
        throw verifyError('PGS7056', words);
      } finally {
        over.abort();
        await waiting.catch(() => {});
      }
    },
    async [Symbol.asyncDispose]() {
      await (await follower?.catch(() => null))?.end().catch(() => {});
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
