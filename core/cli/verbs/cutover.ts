import type { Command } from 'commander';
import { cutover } from '../../cutover/cutover.ts';
import { printVerify } from '../../verify/print.ts';
import type { Cli } from '../cli.ts';
import { openFor } from '../open.ts';

interface CutoverFlags {
  readonly dryRun?: boolean;
  readonly verify: boolean;
}

/** `pgsluice cutover FILE`: with a run under way or not; resumable. */
export function register(program: Command, cli: Cli): void {
  program
    .command('cutover')
    .description('barrier in the stream, verification, sequences, then drop slot and publication; resumable')
    .argument('<file>', 'pipeline file')
    .option('--dry-run', 'all but the irreversible')
    .option('--no-verify', 'do not compare source and target first')
    .action((file: string, flags: CutoverFlags) =>
      cli.withSignals(async (signal) => {
        const say = (line: string) => void cli.stdout.write(`${line}\n`);
        await using pipeline = await openFor(cli, { file, lock: 'take-over', logTo: 'stderr', signal });
        say('this process holds the pipeline; a run elsewhere has ended at a barrier in the stream');
        const dryRun = flags.dryRun === true;
        const report = await cutover({ pipeline, dryRun, skipVerify: !flags.verify, say });
        if (report.verify?.equal === false) {
          cli.stdout.write(printVerify(report.verify));
          say('not cut over: source and target differ; the pipeline is intact and can be run on');
          cli.exit(4);
          return;
        }
        if (report.done)
          say(`cut over in ${report.seconds.toFixed(1)} s. Left to you: point the applications at the target.`);
      }),
    );
}
