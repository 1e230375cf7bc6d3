import { readCatalog } from '../../api/source.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import type { Instances, RunContext } from '../../pipeline/open/instances.ts';
import { planSinks } from '../../pipeline/open/planning.ts';
import { neverCovered } from '../coverage/find-uncovered.ts';
import type { Uncovered } from '../coverage/uncovered.ts';

export interface AheadInput {
  readonly context: RunContext;
  readonly instances: Instances;
  readonly config: PipelineConfig;
}

/** What a cutover would not let pass without `--accept`; none where no sink can be cut over to. What cannot be planned is a finding of `check`. */
export async function blocksCutover({ context, instances, config }: AheadInput): Promise<readonly Uncovered[]> {
  if (!instances.sinks.some(({ sink }) => sink.cutover !== undefined)) return [];
  try {
    const catalog = await readCatalog(context.source, context.stop);
    const { sinks } = await planSinks(instances.sinks, catalog, config.snapshot.mode !== 'initial_only', context.stop);
    return neverCovered(catalog, sinks);
  } catch (error) {
    context.stop.throwIfAborted();
    context.log.log('debug', 'not-planned', (error as Error).message);
    return [];
  }
}
