import type { PluginContext } from '../api/context.ts';
import type { PgsluiceError } from '../base/error.ts';
import type { Transform } from '../api/transform.ts';
import { silentLogger } from '../base/log.ts';
import { callPlugin, isPgsluiceError } from '../registry/call.ts';
import { nameCollisions } from './dry-names.ts';
import { dryParse, dryPlan } from './dry-plan.ts';
import { expressionsIn } from './expressions-in.ts';
import type { PipelineConfig, TransformUse } from './pipeline-config.ts';
import { type Problem, sortProblems } from './problem.ts';
import { useSchema } from './use-schema.ts';

/**
 * Makes every transform, as a run would, and checks its expressions: finds what a schema cannot and for which no server
 * is needed, such as the syntax of an expression. Each failure has its place in the file.
 */
export async function checkTransforms(pipeline: PipelineConfig, debugValues = false): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
  const made = new Map<TransformUse, Transform>();
  for (const use of [...pipeline.transforms, ...pipeline.sinks.flatMap((sink) => sink.transforms)]) {
    const context: PluginContext = {
      pipeline: pipeline.pipeline,
      name: use.label,
      directory: pipeline.directory,
      log: silentLogger,
      metrics: { count: () => {}, gauge: () => {} },
      debugValues,
    };
    try {
      const created = callPlugin({ plugin: use.plugin.name }, 'create', () =>
        use.plugin.create(use.options as never, context),
      );
      const transform = (await created) as Transform;
      made.set(use, transform);
      const found = await dryPlan(transform);
      for (const { error, option } of found) problems.push(transformProblem(error, use, pipeline, option));
    } catch (error) {
      problems.push(transformProblem(error, use, pipeline, null));
    }
  }
  problems.push(...(await sinkExpressions(pipeline)));
  return sortProblems([...problems, ...collisions(pipeline, made)]);
}

/** Checks expressions in the options of sinks as far as that is possible without columns. */
async function sinkExpressions(pipeline: PipelineConfig): Promise<readonly Problem[]> {
  const found: Problem[] = [];
  for (const use of pipeline.sinks) {
    for (const { option, sql } of expressionsIn(useSchema(use.plugin).options, use.options)) {
      const error = await dryParse(sql);
      if (error !== null) found.push(transformProblem(error, use, pipeline, option));
    }
  }
  return found;
}

/** Each pair once, though several sinks have it. */
function collisions(pipeline: PipelineConfig, made: ReadonlyMap<TransformUse, Transform>): readonly Problem[] {
  const found = new Map<string, Problem>();
  for (const sink of pipeline.sinks) {
    const uses = [...pipeline.transforms, ...sink.transforms].filter((use) => made.has(use));
    const steps = uses.map((use) => ({ transform: made.get(use) as Transform, tables: use.tables }));
    for (const { sources, target, step } of nameCollisions(steps, sink.tables)) {
      const use = uses[steps.indexOf(step)] as TransformUse;
      const message = `${use.label}: ${sources.join(' and ')} would both be ${target}`;
      found.set(message, { file: pipeline.file, line: use.line, col: use.col, code: 'PGS4002', message });
    }
  }
  return [...found.values()];
}

/**
 * An error of a transform at its place in the pipeline file: at the place that the error names, or within the option if
 * the error is about the option's text. Errors that are not a PgsluiceError are rethrown.
 */
export function transformProblem(
  error: unknown,
  use: Pick<TransformUse, 'label' | 'line' | 'col' | 'locate'>,
  pipeline: PipelineConfig,
  option: string | null,
): Problem {
  if (!isPgsluiceError(error)) throw error;
  const { message, at } = placeOf(error, option);
  const place = at === null ? { line: use.line, col: use.col } : use.locate(at.option, at.line, at.column);
  return { file: pipeline.file, ...place, code: error.code, message: `${use.label}: ${pipeline.scrub(message)}` };
}

interface Placed {
  readonly message: string;
  readonly at: PgsluiceError['at'];
}

function placeOf(error: PgsluiceError, option: string | null): Placed {
  const within = error.within ?? null;
  if (error.at !== null && error.at !== undefined) return { message: within?.message ?? error.message, at: error.at };
  if (option === null || within === null) return { message: error.message, at: null };
  return { message: within.message, at: { option, line: within.line, column: within.column } };
}
