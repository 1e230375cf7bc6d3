import type { Command } from 'commander';
import { pipelineSchema } from '../../config/pipeline-schema.ts';
import type { Cli } from '../cli.ts';

/** `pgsluice schema`: the JSON Schema of pipeline files, for editors. */
export function register(program: Command, cli: Cli): void {
  program
    .command('schema')
    .description('print the JSON Schema of pipeline files')
    .action(async () => {
      const schema = pipelineSchema(await cli.registry.all());
      cli.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
    });
}
