import type { PluginContext } from '../api/context.ts';
import { silentLogger } from '../observe/log.ts';
import { callPlugin, isPgsluiceError } from '../registry/call.ts';
import type { PipelineConfig, TransformUse } from './pipeline-config.ts';
import { type Problem, sortProblems } from './problem.ts';

/**
 * Makes every transform, as a run would: creation does no I/O, and finds what a schema cannot, such as the syntax of an
 * expression. Each failure at its place in the file.
 */
export async function checkTransforms(pipeline: PipelineConfig, debugValues = false): Promise<readonly Problem[]> {
  const problems: Problem[] = [];
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
      await callPlugin({ plugin: use.plugin.name }, 'create', () => use.plugin.create(use.options as never, context));
    } catch (error) {
      problems.push(transformProblem(error, use, pipeline));
    }
  }
  return sortProblems(problems);
}

/** An error of a transform at its place in the pipeline file; what is no error of ours is thrown on. */
export function transformProblem(error: unknown, use: TransformUse, pipeline: PipelineConfig): Problem {
  if (!isPgsluiceError(error)) throw error;
  const at = error.at ?? null;
  const place = at === null ? { line: use.line, col: use.col } : use.locate(at.option, at.line, at.column);
  return { file: pipeline.file, ...place, code: error.code, message: `${use.label}: ${pipeline.scrub(error.message)}` };
}
