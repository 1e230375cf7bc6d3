import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { demo } from '../demo/demo.ts';

interface DemoFlags {
  readonly keep?: boolean;
  readonly scale: string;
}

/** `pgsluice demo`: the whole story on this machine. Exit 0: both sides agreed; 4: they did not. */
export function register(program: Command, cli: Cli): void {
  program
    .command('demo')
    .description('the whole story on this machine: two servers, live writes, copy, catch-up, cutover, verification')
    .option('--keep', 'leave the servers up, and say how to connect')
    .option('--scale <n>', '1 is about a million rows', '1')
    .action((flags: DemoFlags) =>
      cli.withSignals(async (signal) => {
        const say = (line: string) => void cli.stdout.write(`${line}\n`);
        const result = await demo({ say, keep: flags.keep === true, scale: Number(flags.scale), signal });
        if (result === 'differed') cli.exit(4);
        if (flags.keep === true)
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      }),
    );
}
