import type { Command } from 'commander';
import type { Json } from '../../api/checkpoint.ts';
import { formatLsn } from '../../api/lsn.ts';
import type { SlotStatus } from '../../api/source.ts';
import { printStatus, type StatusReport } from '../../observe/print-status.ts';
import type { PipelineState } from '../../state/pipeline-state.ts';
import type { Cli } from '../cli.ts';
import { openFor } from '../open.ts';

/** `pgsluice status FILE`: from the checkpoint and the source, whether a process runs or not. */
export function register(program: Command, cli: Cli): void {
  program
    .command('status')
    .description('phase, tables, positions, lag, WAL kept on the source')
    .argument('<file>', 'pipeline file')
    .option('--json', 'print JSON')
    .action((file: string, flags: { readonly json?: boolean }) =>
      cli.withSignals(async (signal) => {
        await using pipeline = await openFor(cli, { file, lock: 'none', logTo: 'stderr', signal });
        const { context, config } = pipeline;
        const slot = await context.source.control.slot();
        const sinks = pipeline.instances.sinks.map((sink) => sink.name);
        const report = reportOf(config.pipeline, context.state, slot, sinks);
        cli.stdout.write(flags.json === true ? `${JSON.stringify(report, null, 2)}\n` : printStatus(report));
      }),
    );
}

function reportOf(
  pipeline: string,
  state: PipelineState,
  slot: SlotStatus | null,
  sinks: readonly string[],
): StatusReport {
  const chosen = state.get('tables');
  const total = Array.isArray(chosen) ? chosen.length : 0;
  return {
    pipeline,
    phase: state.head?.phase ?? 'not started',
    slot: slot && {
      name: slot.name,
      active: slot.active,
      confirmed: formatLsn(slot.confirmed),
      sourcePosition: formatLsn(slot.current),
      lagBytes: Math.max(0, Number(slot.current - slot.confirmed)),
      retainedBytes: slot.retainedBytes,
      walStatus: slot.walStatus,
      safeBytes: slot.safeBytes,
    },
    sinks: sinks.map((name) => {
      const tables = [...state.tables(name).values()];
      const finished = tables.filter((table) => table.state === 'finished').length;
      return { name, tables: { total, copied: tables.length, finished } };
    }),
    tables: sinks.flatMap((sink) =>
      [...state.tables(sink)].map(([table, { state: phase, exactAt, rows, bytes }]) => ({
        sink,
        table,
        state: phase,
        exactAt: formatLsn(exactAt),
        rows: String(rows),
        bytes,
      })),
    ),
    run: state.get('status') as { readonly [key: string]: Json } | null,
  };
}
