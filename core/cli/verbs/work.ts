import type { Command } from 'commander';
import { formatBytes } from '../../base/format.ts';
import { workOn } from '../../operations/work/work.ts';
import type { Cli } from '../cli.ts';
import { openFor } from '../open.ts';

/** `pgsluice work FILE`: takes part in the copy of a run on this or another machine, and ends with it. */
export function register(program: Command, cli: Cli): void {
  program
    .command('work')
    .description('on another machine: take part in the copy and the index builds of a run')
    .argument('<file>', 'the pipeline file of the run')
    .action((file: string) =>
      cli.withSignals(async (signal) => {
        await using pipeline = await openFor(cli, { file, lock: 'none', logTo: 'stdout', signal });
        const { log, stop } = pipeline.context;
        log.log('info', 'work-started', 'waits for ranges of the run', { pid: process.pid });
        try {
          const { ranges, indexes, bytes } = await workOn(pipeline);
          const text = `the copy is through: ${ranges} ranges (${formatBytes(bytes)}) and ${indexes} indexes here`;
          log.log('info', 'work-ended', text, { ranges, indexes, bytes });
        } catch (error) {
          if (!stop.aborted) throw error;
          log.log('info', 'work-stopped', 'stopped; the run and other workers go on', {});
        }
      }),
    );
}
