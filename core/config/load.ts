import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { PgsluiceError } from '../base/error.ts';
import type { Registry } from '../registry/registry.ts';
import { buildPipeline } from './build-pipeline.ts';
import { checkSchema } from './check-schema.ts';
import { configError } from './errors.ts';
import type { PipelineConfig } from './pipeline-config.ts';
import { type Problem, sortProblems } from './problem.ts';
import { rootSchema } from './root-schema.ts';
import { type Supported, supported, unsupportedKeys } from './supported.ts';
import { type TreeProblem, YamlTree } from './yaml-tree.ts';

export type LoadResult =
  | { readonly ok: true; readonly pipeline: PipelineConfig }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * Reads a pipeline file: offline, strict, all problems at once. Imports the plugins that the file names; they do no
 * I/O. Throws PGS1001 if there is no such file; everything else is a problem with its place.
 */
export async function loadPipeline(
  file: string,
  registry: Registry,
  env: NodeJS.ProcessEnv = process.env,
  by: Supported = supported,
): Promise<LoadResult> {
  const directory = dirname(resolve(file));
  const tree = new YamlTree(read(file), env, directory);
  const problems: TreeProblem[] = [...tree.problems];
  const failed = (): LoadResult => ({
    ok: false,
    problems: sortProblems(problems.map((problem) => ({ file, ...problem }))),
  });
  if (!tree.readable) return failed();

  const root = checkSchema(rootSchema, tree.value, { tree, pointer: '', label: '' });
  problems.push(...root.problems, ...unsupportedKeys(root.value, tree, by));
  const pipeline = await buildPipeline({ file, directory, tree, registry, root: root.value, problems });
  return pipeline === null || problems.length > 0 ? failed() : { ok: true, pipeline };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    if (error instanceof PgsluiceError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const why = { ENOENT: 'no such file', EISDIR: 'it is a folder', EACCES: 'permission denied' }[code] ?? code;
    throw configError('PGS1001', `cannot read ${file}: ${why}`, { cause: error });
  }
}
