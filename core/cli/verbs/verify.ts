import type { Command } from 'commander';
import { type Aligned, alignHere, alignNow, alignThere } from '../../verify/aligned.ts';
import { printVerify } from '../../verify/print.ts';
import { compareDefaults, verifyAll } from '../../verify/run-verify.ts';
import { type Planning, planSinks } from '../../runtime/planning.ts';
import type { Cli } from '../cli.ts';
import { type MaybeLocked, openLocked } from '../open-locked.ts';

interface VerifyFlags {
  readonly table?: readonly string[];
  readonly json?: boolean;
}

/** `pgsluice verify FILE`: source against target at one position, with a run under way or not. Exit 4 on a difference. */
export function register(program: Command, cli: Cli): void {
  program
    .command('verify')
    .description('compare source and target as the transforms map them; exit 4 if they differ')
    .argument('<file>', 'pipeline file')
    .option('--table <name...>', 'only these tables (schema.table on the source)')
    .option('--json', 'print the report as JSON')
    .action((file: string, flags: VerifyFlags) =>
      cli.withSignals(async (signal) => {
        await using opened = await openLocked(cli, { file, logTo: 'stderr', signal });
        const { context, instances } = opened.pipeline;
        const catalog = await context.source.catalog(signal);
        const planning = await planSinks(instances.sinks, catalog, true, signal);
        await using aligned = await align(opened, planning);
        const only = flags.table ?? null;
        const options = { compare: compareDefaults, log: context.log, signal, only };
        const report = await verifyAll(context.source, planning.sinks, aligned, options);
        cli.stdout.write(flags.json === true ? `${toJson(report)}\n` : printVerify(report));
        if (!report.equal) cli.exit(4);
      }),
    );
}

function align({ pipeline, locked }: MaybeLocked, planning: Planning): Promise<Aligned> {
  const { context, instances } = pipeline;
  if (context.state.head?.phase === 'done') return Promise.resolve(alignNow());
  return locked ? alignHere(context, planning) : alignThere(context, instances);
}

function toJson(report: unknown): string {
  return JSON.stringify(report, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value), 2);
}
