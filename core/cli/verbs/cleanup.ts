import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { runtimeError } from '../../runtime/errors.ts';
import { openFor } from '../open.ts';

/** `pgsluice cleanup FILE`: everything that the pipeline made on the source, and its state; repeatable. */
export function register(program: Command, cli: Cli): void {
  program
    .command('cleanup')
    .description('drop what the pipeline made on the source (slot, publication, triggers) and its state')
    .argument('<file>', 'pipeline file')
    .option('--yes', 'do not ask')
    .action((file: string, flags: { readonly yes?: boolean }) =>
      cli.withSignals(async (signal) => {
        const config = await cli.load(file);
        if (flags.yes !== true) await ask(cli, `Drop slot, publication and state of pipeline ${config.pipeline}? `);
        await using pipeline = await openFor(cli, { file, lock: 'hold', logTo: 'stderr', signal });
        const { context, instances } = pipeline;
        const dropped = [...(await context.source.control.cleanup())];
        for (const { sink } of instances.sinks) dropped.push(...(await sink.cleanup()));
        await instances.store.remove();
        dropped.push(`state of pipeline ${config.pipeline}`);
        for (const words of dropped) cli.stdout.write(`removed ${words}\n`);
        cli.stdout.write("The target's tables and rows were left as they are.\n");
      }),
    );
}

async function ask(cli: Cli, question: string): Promise<void> {
  if (!cli.isTTY)
    throw runtimeError('PGS6011', 'cleanup asks before it drops something, and there is no terminal to ask on');
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await lines.question(`${question}[y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw runtimeError('PGS6011', 'nothing was dropped');
  } finally {
    lines.close();
  }
}
