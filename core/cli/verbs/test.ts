import type { Command } from 'commander';
import { checkTransforms } from '../../config/check-transforms.ts';
import { PipelineFileError } from '../../config/problem.ts';
import { hint } from '../../base/suggest.ts';
import { readCases } from '../../operations/test/cases.ts';
import { printResults } from '../../operations/test/print.ts';
import { type CaseResult, runCase } from '../../operations/test/run-case.ts';
import { stepsFor } from '../../operations/test/steps.ts';
import { loadParser } from '../../expr/parse.ts';
import type { PlanStep } from '../../pipeline/plan/planner.ts';
import type { Cli } from '../cli.ts';

/**
 * `pgsluice test FILE`: runs the cases of the file and of the file beside it. Exit 1 on a failing case, 2 on an invalid
 * file.
 */
export function register(program: Command, cli: Cli): void {
  program
    .command('test')
    .description('run the cases that the file or NAME.test.yaml beside it lists, without a server')
    .argument('<file>', 'pipeline file')
    .action((file: string) => test(cli, file));
}

async function test(cli: Cli, file: string): Promise<void> {
  const pipeline = await cli.load(file);
  await loadParser();
  const { cases, problems } = readCases(file, cli.env);
  const wrong = [...problems, ...(await checkTransforms(pipeline, cli.options.debugValues))];
  const names = pipeline.sinks.map((sink) => sink.name);
  for (const { sink, file: of, line } of cases) {
    if (sink === null || names.includes(sink)) continue;
    const message = `there is no sink ${sink}${hint(sink, names, 'there are')}`;
    wrong.push({ file: of, line, col: 1, code: 'PGS1017', message });
  }
  if (wrong.length === 0 && cases.length === 0) {
    const message = 'no cases: give `tests:` here, or in a file beside it that ends in .test.yaml';
    wrong.push({ file, line: 1, col: 1, code: 'PGS1017', message });
  }
  if (wrong.length > 0) throw new PipelineFileError(file, wrong);
  const steps = new Map<string | null, readonly PlanStep[]>();
  for (const { sink } of cases) if (!steps.has(sink)) steps.set(sink, await stepsFor(pipeline, sink));
  const results: CaseResult[] = [];
  for (const each of cases) results.push(await runCase(each, steps.get(each.sink)!));
  cli.stdout.write(printResults(results));
  if (results.some((result) => !result.ok)) cli.exit(1);
}
