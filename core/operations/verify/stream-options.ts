import { catalogNow, shapesUnderWay } from '../../pipeline/ddl/known-shapes.ts';
import { Shapes } from '../../pipeline/ddl/shapes.ts';
import { knownTables } from '../../pipeline/state/known-tables.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import { planSinks } from '../../pipeline/open/planning.ts';
import type { StreamRunOptions } from '../../pipeline/stream/run-stream.ts';
import { verifyError } from './errors.ts';
import { ChangeCount } from './count-changes.ts';

/** A pipeline as far as its stream is followed; the caller holds its lock. */
export type Followed = Pick<OpenPipeline, 'config' | 'instances' | 'context' | 'chain'>;

/** What a run would follow the stream with, tables' shapes along it included, and a count of what comes. */
export async function streamOptions(
  of: Followed,
): Promise<{ readonly options: Omit<StreamRunOptions, 'until'>; readonly count: ChangeCount }> {
  const { config, instances, context } = of;
  const { head } = context.state;
  if (head === null || head.handoff === null) throw verifyError('PGS7004', 'this pipeline has no slot yet');
  const known = knownTables(context.state, await catalogNow(context));
  const planning = await planSinks(instances.sinks, await shapesUnderWay(context, known), true, context.stop);
  const follow = config.ddl === 'follow';
  const shapes = await Shapes.open(context, planning, { follow, copies: false });
  const count = new ChangeCount();
  const options = {
    sinks: planning.sinks,
    mapperAt: (sink: (typeof planning.sinks)[number], position: Parameters<typeof shapes.mapper>[1]) =>
      count.counting(shapes.mapper(sink, position)),
    ...(follow ? { beforeBatch: shapes.see.bind(shapes) } : {}),
    identity: head.identity,
    handoff: head.handoff,
  };
  return { options, count };
}
