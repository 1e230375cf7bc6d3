import type { PluginContext } from '../../api/context.ts';
import type { PipelineConfig, TransformUse } from '../../config/pipeline-config.ts';
import { noMetrics } from '../../base/no-metrics.ts';
import { silentLogger } from '../../base/log.ts';
import type { PlanStep } from '../../pipeline/plan/planner.ts';
import { callPlugin } from '../../registry/call.ts';

/** The transforms that a sink's rows go through: the pipeline's, then its own. Null: the first sink. */
export async function stepsFor(pipeline: PipelineConfig, sink: string | null): Promise<readonly PlanStep[]> {
  const own = sink === null ? pipeline.sinks[0] : pipeline.sinks.find((each) => each.name === sink);
  const steps: PlanStep[] = [];
  for (const use of [...pipeline.transforms, ...(own?.transforms ?? [])]) steps.push(await step(pipeline, use));
  return steps;
}

async function step(pipeline: PipelineConfig, use: TransformUse): Promise<PlanStep> {
  const context: PluginContext = {
    pipeline: pipeline.pipeline,
    name: use.label,
    directory: pipeline.directory,
    log: silentLogger,
    metrics: noMetrics,
    debugValues: false,
  };
  const transform = await callPlugin({ plugin: use.plugin.name }, 'create', () =>
    use.plugin.create(use.options as never, context),
  );
  return { transform, tables: use.tables, label: use.label };
}
