import { Argument, type Command } from 'commander';
import type { Cli } from '../cli.ts';
import { bashCompletion } from '../completion/bash.ts';
import { commandTable } from '../completion/command-table.ts';
import { fishCompletion } from '../completion/fish.ts';
import { zshCompletion } from '../completion/zsh.ts';

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** `pgsluice completion SHELL`: the script by which a shell completes verbs, options and their values. */
export function register(program: Command, cli: Cli): void {
  program
    .command('completion')
    .description('print the completion script of a shell, made from the verbs and their options')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(Object.keys(shells)))
    .action(async (shell: keyof typeof shells) => {
      cli.stdout.write(shells[shell](commandTable(await cli.allVerbs())));
    });
}
