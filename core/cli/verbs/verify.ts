import { type Command, InvalidArgumentError } from 'commander';
import { printVerify } from '../../verify/print.ts';
import { mostRepaired } from '../../verify/repair.ts';
import { planKnown, verifyPipeline } from '../../verify/verify-pipeline.ts';
import type { Cli } from '../cli.ts';
import { openLocked } from '../open-locked.ts';

interface VerifyFlags {
  readonly table?: readonly string[];
  readonly json?: boolean;
  readonly workers: number;
  readonly limit: number;
  readonly repair?: boolean;
}

/** `pgsluice verify FILE`: source against target at one position, with a run under way or not. Exit 4 on a difference. */
export function register(program: Command, cli: Cli): void {
  program
    .command('verify')
    .description('compare source and target as the transforms map them; exit 4 if they differ')
    .argument('<file>', 'pipeline file')
    .option('--table <name...>', 'only these tables (schema.table on the source)')
    .option('--workers <n>', 'connections on each side that hash at the same time', positive, 4)
    .option('--limit <n>', 'differing rows that are named per table', positive, 20)
    .option('--repair', 'copy differing rows again; needs that no run is under way')
    .option('--json', 'print the report as JSON')
    .action((file: string, flags: VerifyFlags) => cli.withSignals((signal) => verify(cli, file, flags, signal)));
}

async function verify(cli: Cli, file: string, flags: VerifyFlags, signal: AbortSignal): Promise<void> {
  await using opened = await openLocked(cli, { file, logTo: 'stderr', signal });
  const { pipeline } = opened;
  const planning = await planKnown(pipeline);
  const report = await verifyPipeline(
    {
      pipeline,
      locked: opened.locked,
      only: flags.table ?? null,
      workers: flags.workers,
      repair: flags.repair === true,
      compare: { limit: flags.repair === true ? mostRepaired : flags.limit },
    },
    planning,
  );
  cli.stdout.write(flags.json === true ? `${toJson(report)}\n` : printVerify(report));
  if (!report.equal) cli.exit(4);
}

export function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('a whole number above 0 is wanted');
}

function toJson(report: unknown): string {
  return JSON.stringify(report, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value), 2);
}
