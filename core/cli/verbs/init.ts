import { access, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { runtimeError } from '../../pipeline/errors.ts';
import type { Cli } from '../cli.ts';
import { firstPipeline } from '../init/first-pipeline.ts';
import { rolesScript } from '../init/roles-script.ts';

interface InitFlags {
  readonly source?: string;
  readonly output?: string;
  readonly pipeline: string;
  readonly force?: boolean;
  readonly roles?: boolean;
}

/** `pgsluice init`: asks a live source what it has and writes a commented pipeline file. */
export function register(program: Command, cli: Cli): void {
  program
    .command('init')
    .description('write a first pipeline file from a live source')
    .argument('[file]', 'file to write; - for standard output', 'pipeline.yaml')
    .option('--source <url>', 'URL of the source; default: the environment variable SOURCE_URL')
    .option('--output <file>', 'the same as the argument')
    .option('--pipeline <name>', 'name of the pipeline', 'move')
    .option('--force', 'replace a file that exists')
    .option(
      '--roles',
      'print the statements that make the roles which the database needs, for a new server, instead of a file',
    )
    .action((argument: string, flags: InitFlags) =>
      cli.withSignals(async (signal) => {
        const url = flags.source ?? cli.env['SOURCE_URL'];
        if (url === undefined)
          throw runtimeError('PGS6012', 'neither --source nor SOURCE_URL says where the source is');
        if (flags.roles === true) {
          cli.stdout.write(await rolesScript(cli, { url, pipeline: flags.pipeline, signal }));
          return;
        }
        const output = flags.output ?? argument;
        const text = await firstPipeline(cli, { url, pipeline: flags.pipeline, signal });
        if (output === '-') {
          cli.stdout.write(text);
          return;
        }
        const file = resolve(output);
        if (flags.force !== true && (await exists(file))) {
          throw runtimeError('PGS6013', `${output} exists`);
        }
        await writeFile(file, text);
        cli.stdout.write(`wrote ${output}. Next: export SOURCE_URL and TARGET_URL, then pgsluice check ${output}\n`);
      }),
    );
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
