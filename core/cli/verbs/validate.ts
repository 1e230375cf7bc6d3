import type { Command } from 'commander';
import { checkTransforms } from '../../config/check-transforms.ts';
import { PipelineFileError } from '../../config/problem.ts';
import type { Cli } from '../cli.ts';

/** `pgsluice validate FILE`: everything that can be known without a server. */
export function register(program: Command, cli: Cli): void {
  program
    .command('validate')
    .description('check a pipeline file offline, all problems at once')
    .argument('<file>', 'pipeline file')
    .action(async (file: string) => {
      const pipeline = await cli.load(file);
      const problems = await checkTransforms(pipeline, cli.options.debugValues);
      if (problems.length > 0) throw new PipelineFileError(file, problems);
      const sinks = pipeline.sinks.map((sink) => sink.name).join(', ');
      const steps = pipeline.transforms.length + pipeline.sinks.reduce((sum, sink) => sum + sink.transforms.length, 0);
      const transforms = `${steps} transform${steps === 1 ? '' : 's'}`;
      cli.stdout.write(
        `${file}: ok (pipeline ${pipeline.pipeline}, ${pipeline.source.plugin.name} to ${sinks}, ${transforms})\n`,
      );
    });
}
