import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { PgsluiceError } from '../../base/error.ts';
import { lowerFence } from '../../operations/cutover/cutover.ts';
import { formatBytes } from '../../base/format.ts';
import { assemble } from '../../pipeline/open/assemble.ts';
import { ownershipByName } from '../../pipeline/open/ownership.ts';
import { runtimeError } from '../../pipeline/errors.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import type { Source } from '../../api/source.ts';
import { noMetrics } from '../../base/no-metrics.ts';
import type { Cli } from '../cli.ts';
import { openFor } from '../open.ts';

interface CleanupFlags {
  readonly yes?: boolean;
  readonly sourceOnly?: boolean;
}

/** `pgsluice cleanup FILE`: everything that the pipeline made on the source, and its state; repeatable. */
export function register(program: Command, cli: Cli): void {
  program
    .command('cleanup')
    .description('drop what the pipeline made on the source (slot, publication, triggers) and its state; repeatable')
    .argument('<file>', 'pipeline file')
    .option('--yes', 'do not ask')
    .option('--source-only', 'only the source: for a target or checkpoint that is gone for good')
    .action((file: string, flags: CleanupFlags) => cli.withSignals((signal) => cleanup(cli, file, flags, signal)));
}

async function cleanup(cli: Cli, file: string, flags: CleanupFlags, signal: AbortSignal): Promise<void> {
  const config = await cli.load(file);
  const say = (line: string) => void cli.stdout.write(`${line}\n`);
  if (flags.yes !== true) await ask(cli, `Drop slot, publication and state of pipeline ${config.pipeline}? `);
  if (flags.sourceOnly === true) {
    const log = await cli.logger('stderr');
    await using instances = await assemble({ config, log, metrics: noMetrics, debugValues: false });
    instances.source.control?.claim(ownershipByName(instances.store));
    await refuseActive(instances.source, signal);
    const { control, fence } = instances.source;
    // GO drops the slot. While the slot exists the writes have not moved to the target, so a fence that still stands is
    // taken down.
    const moved = ((await control?.slot.status(signal)) ?? null) === null;
    const standing = await fence?.standing?.(!moved, signal);
    for (const words of [...(standing?.removed ?? []), ...((await control?.cleanup(signal)) ?? [])])
      say(`removed ${words}`);
    for (const words of standing?.left ?? []) say(`left ${words}`);
    await tellForeign(instances.source, say, signal);
    await tellIdle(instances.source, say, signal);
    return;
  }
  await using pipeline = await openFor(cli, { file, config, lock: 'hold', logTo: 'stderr', signal });
  for (const words of await removeAll(pipeline)) say(`removed ${words}`);
  say("The target's tables and rows were left as they are.");
  await tellForeign(pipeline.context.source, say, signal);
  await tellIdle(pipeline.context.source, say, signal);
}

/**
 * The state goes last: a cleanup that was killed finds it again, and with it everything else that exists. Each step
 * checks what exists, so it does not matter which steps an earlier crash skipped.
 */
async function removeAll({ context, instances, config }: OpenPipeline): Promise<readonly string[]> {
  const done: string[] = [];
  const before = context.state.head !== null;
  // Removing the state first would leave a fence without the record of how to take it down.
  done.push(...(await lowerFence({ context })));
  done.push(...((await context.source.control?.cleanup(context.stop)) ?? []));
  for (const { sink } of instances.sinks) done.push(...((await sink.cleanup?.()) ?? []));
  await instances.store.remove();
  if (before) done.push(`state of pipeline ${config.pipeline}`);
  return done.length === 0 ? ['nothing: there was nothing of this pipeline'] : done;
}

/** Without the checkpoint nothing tells whether a run is active, except a slot that is being read. */
async function refuseActive({ control }: Source, signal: AbortSignal): Promise<void> {
  const slot = (await control?.slot.status(signal)) ?? null;
  if (slot?.active !== true) return;
  throw runtimeError('PGS6016', `slot ${slot.name} is being read: a run of this pipeline is under way`);
}

/** Reports objects that have the names of the pipeline's objects and are not provably the pipeline's own. */
async function tellForeign({ control }: Source, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  for (const words of (await control?.foreign(signal)) ?? []) say(`left ${words}`);
}

/**
 * Slots that nobody reads keep WAL until the disk is full. Only their owner knows what they are for, so they are
 * reported, not dropped.
 */
async function tellIdle({ control }: Source, say: (line: string) => void, signal: AbortSignal): Promise<void> {
  try {
    for (const { name, retainedBytes } of (await control?.slot.idle(signal)) ?? []) {
      say(`note: slot ${name} is read by nobody and keeps ${formatBytes(retainedBytes)} of WAL on the source;`);
      say(`      if it is of no use: SELECT pg_drop_replication_slot('${name}');`);
    }
  } catch (error) {
    if (!(error instanceof PgsluiceError)) throw error;
  }
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
