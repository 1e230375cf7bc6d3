import { hostname } from 'node:os';
import type { Command } from 'commander';
import type { WorkerStatus } from '../../api/shared-copy.ts';
import type { Source } from '../../api/source.ts';
import type { SlotStatus } from '../../api/source-control.ts';
import { findUncovered } from '../../operations/coverage/find-uncovered.ts';
import type { Uncovered } from '../../operations/coverage/uncovered.ts';
import { planKnown } from '../../operations/verify/verify-pipeline.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import { printStatus } from '../../observe/print-status.ts';
import { redact } from '../../base/redact.ts';
import { statusReport } from '../../observe/status-report.ts';
import { isPgsluiceError } from '../../registry/call.ts';
import type { Cli } from '../cli.ts';
import { openFor } from '../open.ts';

/**
 * `pgsluice status FILE`: from the checkpoint, the source and the run's own record, whether a process runs or not. If
 * the source does not answer, it shows what the checkpoint holds, and exits as that error does.
 */
export function register(program: Command, cli: Cli): void {
  program
    .command('status')
    .description('phase, tables, positions, lag, WAL kept on the source')
    .argument('<file>', 'pipeline file')
    .option('--json', 'print JSON')
    .action((file: string, flags: { readonly json?: boolean }) =>
      cli.withSignals(async (signal) => {
        await using pipeline = await openFor(cli, { file, lock: 'none', logTo: 'stderr', signal });
        const { context, config, instances } = pipeline;
        const { slot, waits, error } = await askSlot(context.source, signal);
        const uncovered = error === null ? await askUncovered(pipeline) : null;
        const now = Date.now();
        const report = statusReport({
          pipeline: config.pipeline,
          copyOnly: config.snapshot.mode === 'initial_only',
          state: context.state,
          slot,
          waits,
          sourceError: isPgsluiceError(error) ? { code: error.code, message: redact(error.message) } : null,
          uncovered,
          sinks: instances.sinks,
          workers: await askWorkers(instances.sinks),
          now,
          host: hostname(),
          alive,
        });
        cli.stdout.write(flags.json === true ? `${JSON.stringify(report, null, 2)}\n` : printStatus(report, now));
        if (error !== null) throw error;
      }),
    );
}

/** A target that does not answer hides its workers, and nothing else. */
async function askWorkers(sinks: OpenPipeline['instances']['sinks']): Promise<readonly WorkerStatus[]> {
  const each = sinks.map(({ sink }) => sink.snapshot.ranges?.shared.workers().catch(() => []) ?? []);
  const all = (await Promise.all(each)).flat();
  return [...new Map(all.map((worker) => [worker.id, worker])).values()];
}

async function askSlot(
  source: Source,
  signal: AbortSignal,
): Promise<{ readonly slot: SlotStatus | null; readonly waits: readonly string[]; readonly error: unknown }> {
  try {
    const slot = (await source.control?.slot.status(signal)) ?? null;
    return { slot, waits: (await source.control?.slot.waits?.(signal)) ?? [], error: null };
  } catch (error) {
    if (!isPgsluiceError(error)) throw error;
    return { slot: null, waits: [], error };
  }
}

/**
 * Only `verify` and `cutover` read large objects. If the target does not answer, the rest of the report is unchanged.
 */
async function askUncovered(pipeline: OpenPipeline): Promise<readonly Uncovered[] | null> {
  const { context } = pipeline;
  const phase = context.state.head?.phase;
  if (phase !== 'stream' && phase !== 'cutover' && phase !== 'done') return null;
  try {
    const planning = await planKnown(pipeline);
    return await findUncovered({ context, planning, moment: 'following', deep: false });
  } catch (error) {
    if (!isPgsluiceError(error)) throw error;
    context.log.log('warn', 'not-looked-through', `what is missing in the target is not known: ${error.message}`, {
      code: error.code,
    });
    return null;
  }
}

/** Whether this machine has a process with this id; one of another user counts, too. */
function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
