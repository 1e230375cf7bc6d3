import { join } from 'node:path';
import { checkTransforms } from '../../core/config/check-transforms.ts';
import { loadPipeline } from '../../core/config/load.ts';
import { formatProblem, type Problem } from '../../core/config/problem.ts';
import { Registry } from '../../core/registry/registry.ts';
import { builtins } from '../../plugins/builtins.ts';

/** What `validate` says about a file, with the file's name without its folder. */
export async function invalidMessages(folder: string, name: string): Promise<string> {
  const result = await loadPipeline(join(folder, name), new Registry(builtins), {});
  const problems: readonly Problem[] = result.ok ? await checkTransforms(result.pipeline) : result.problems;
  return problems.map((problem) => `${formatProblem({ ...problem, file: name }).replaceAll(folder, '')}\n`).join('');
}
