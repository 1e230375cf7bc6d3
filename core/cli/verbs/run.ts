import type { Command } from 'commander';
import { formatLsn } from '../../api/lsn.ts';
import { LiveView } from '../../observe/live/live-view.ts';
import { runPipeline } from '../../runtime/run.ts';
import { watchSource } from '../../runtime/watch-source.ts';
import type { Cli } from '../cli.ts';
import { openFor } from '../open.ts';

interface RunFlags {
  readonly stopAt?: string;
}

/** `pgsluice run FILE`: the main job, from whatever phase the checkpoint says. */
export function register(program: Command, cli: Cli): void {
  program
    .command('run')
    .description('copy, build indexes, catch up and follow; started again it resumes from its checkpoint')
    .argument('<file>', 'pipeline file')
    .option(
      '--stop-at <lsn>',
      'end with 0 once every sink is durable up to this source position; "now": the position at the start of the stream',
    )
    .action((file: string, flags: RunFlags) => cli.withSignals((signal) => run(cli, file, flags, signal)));
}

async function run(cli: Cli, file: string, flags: RunFlags, signal: AbortSignal): Promise<void> {
  using live = cli.isTTY && cli.options.log === null ? new LiveView(cli.stdout) : null;
  const log = live?.logger();
  await using pipeline = await openFor(cli, { file, lock: 'hold', logTo: 'stdout', signal, ...(log && { log }) });
  live?.show(pipeline.context.view);
  const { context, instances, config } = pipeline;
  await using watching = watchSource(context, 2000);
  void watching;
  context.log.log('info', 'run-started', `pipeline ${config.pipeline}`, {
    pipeline: config.pipeline,
    pid: process.pid,
  });
  try {
    const end = await runPipeline(context, { config, instances, stopAt: flags.stopAt ?? null });
    context.view.enter('done');
    const confirmed = context.view.confirmed;
    context.log.log('info', 'run-ended', describeEnd(end, file), {
      end,
      confirmed: confirmed === null ? null : formatLsn(confirmed),
    });
  } catch (error) {
    if (signal.aborted) context.log.log('info', 'run-ended', describeEnd('stopped', file), { end: 'stopped' });
    throw error;
  }
}

/** The last line of a run: what state things are in, and what is still kept on the source. */
function describeEnd(end: string, file: string): string {
  if (end === 'copied') return 'the copy is complete; nothing is kept on the source';
  const goOn = `go on with: pgsluice run ${file}`;
  if (end === 'ended') return `the stop position is reached; the slot still keeps WAL on the source; ${goOn}`;
  if (end === 'barrier') return 'ended at a barrier, everything up to it is durable; another process takes over';
  return `stopped; everything applied is saved and the slot still keeps WAL on the source; ${goOn}, or remove it with: pgsluice cleanup ${file}`;
}
