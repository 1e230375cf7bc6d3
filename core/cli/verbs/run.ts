import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseRate } from '../../base/units.ts';
import { formatLsn } from '../../postgres/lsn.ts';
import type { Logger } from '../../base/logger.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import { LiveView } from '../../observe/live/live-view.ts';
import type { PromMetrics } from '../../observe/metrics.ts';
import { redact } from '../../base/redact.ts';
import { preflight } from '../../operations/check/checks.ts';
import type { Instances, RunContext } from '../../pipeline/open/instances.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import { readStop, runPipeline } from '../../operations/run/run.ts';
import { takeUpFile } from '../../operations/run/take-up-file.ts';
import { EndlessVerification } from '../../operations/verify/endless/endless.ts';
import { watchSource } from '../../operations/run/watch-source.ts';
import { recording, RunEvents } from '../../pipeline/progress/run-events.ts';
import type { PipelineState } from '../../pipeline/state/pipeline-state.ts';
import type { Cli } from '../cli.ts';
import { openFor } from '../open.ts';
import { readAgain } from '../reload.ts';
import { errorLine } from '../render-error.ts';

interface RunFlags {
  readonly stopAt?: bigint | 'now';
  readonly skipCheck?: readonly string[];
  readonly onRestoreError?: 'stop' | 'skip';
  readonly limit?: number;
}

/** The record that `status` reads is refreshed at each look; log lines are rarer, as a run lasts for weeks. */
const watching = { lookEvery: 2000, logEvery: 10_000 };

/** `pgsluice run FILE`: continues from whatever phase the checkpoint holds. */
export function register(program: Command, cli: Cli): void {
  program
    .command('run')
    .description('copy, build indexes, catch up and follow; started again it resumes from its checkpoint')
    .argument('<file>', 'pipeline file')
    .addOption(
      new Option(
        '--stop-at <lsn>',
        'end with 0 once every sink is durable up to this source position; "now": the position at the start of the stream',
      ).argParser(readStop),
    )
    .addOption(
      new Option(
        '--on-restore-error <what>',
        'objects of the schema that a target refuses: stop with a list of them, or skip them',
      ).choices(['stop', 'skip']),
    )
    .option('--limit <rate>', 'in place of limit.rate: bytes per second, such as 50MB/s, over all workers', rate)
    .option('--skip-check <name...>', 'checks of the first start (names as `check` shows them) that shall not count')
    .action((file: string, flags: RunFlags) => cli.withSignals((signal) => run(cli, file, flags, signal)));
}

function rate(text: string): number {
  const found = parseRate(text);
  if (found !== null) return found;
  throw new InvalidArgumentError('a rate is wanted, such as 50MB/s');
}

async function run(cli: Cli, file: string, flags: RunFlags, signal: AbortSignal): Promise<void> {
  using live = cli.isTTY && cli.options.log === null ? new LiveView(cli.stdout, cli.options) : null;
  const log = live?.logger();
  let config = withFlags(await cli.load(file), flags);
  // Until a handler below is installed, SIGHUP must not end the process.
  using _deaf = onHangup(async () => {});
  for (;;) {
    const next = await runFile(cli, {
      file,
      config,
      flags,
      signal,
      live,
      ...(log && { log }),
    });
    if (next === null) return;
    config = withFlags(next, flags);
  }
}

/** `--on-restore-error` of the command line wins, for sinks that have the key. */
function withFlags(file: PipelineConfig, { onRestoreError, limit }: RunFlags): PipelineConfig {
  const config = limit === undefined ? file : { ...file, limit: { rate: limit } };
  if (onRestoreError === undefined) return config;
  const sinks = config.sinks.map((sink) =>
    'on_restore_error' in sink.options
      ? { ...sink, options: { ...sink.options, on_restore_error: onRestoreError } }
      : sink,
  );
  return { ...config, sinks };
}

interface RunOfFile {
  readonly file: string;
  readonly config: PipelineConfig;
  readonly flags: RunFlags;
  readonly signal: AbortSignal;
  readonly live: LiveView | null;
  readonly log?: Logger;
}

/** Returns the file to go on with in this process: unchanged, or as it was edited meanwhile. */
async function runFile(cli: Cli, of: RunOfFile): Promise<PipelineConfig | null> {
  const { file, flags, live, log } = of;
  const metrics = await metricsOf(of.config);
  const events = of.config.http === null ? null : new RunEvents();
  const again = new AbortController();
  const signal = AbortSignal.any([of.signal, again.signal]);
  await using pipeline = await openFor(cli, {
    file,
    config: of.config,
    lock: 'run',
    logTo: 'stdout',
    signal,
    ...(log && { log }),
    ...(events && { log: recording(log ?? (await cli.logger('stdout')), events) }),
    ...(metrics && { metrics }),
  });
  const { config, context, instances } = pipeline;
  let next: PipelineConfig | null = null;
  using _hangup = onHangup(async () => {
    next = await readAgain(cli, { file, running: pipeline, signal: of.signal });
    if (next !== null) again.abort(new DOMException('the file has changed', 'AbortError'));
  });
  context.view.finishedBefore = finishedTables(context.state, instances);
  context.view.events = events;
  live?.show(context.view);
  metrics?.watch(context.view);
  await using _server = await serve(context, config, metrics);
  await using _push = await push(context, config, metrics);
  await using _watch = watchSource(context, watching);
  context.log.log('info', 'run-started', `pipeline ${config.pipeline}`, {
    pipeline: config.pipeline,
    pid: process.pid,
  });
  const skip = (flags.skipCheck ?? []).flatMap((name) => name.split(','));
  const catalog = await preflight({ context, instances, config, skip });
  try {
    await takeUpFile(pipeline);
    const { verify } = config;
    const companion = verify && ((of: RunContext) => new EndlessVerification({ context: of, instances, verify }));
    const options = { config, instances, stopAt: flags.stopAt ?? null, catalog, ...(companion && { companion }) };
    const end = await runPipeline(context, options);
    if (end === 'reload') return await fileNow(cli, of, pipeline);
    if (next !== null && !of.signal.aborted) return next;
    context.run.enter('done');
    const confirmed = context.view.confirmed;
    context.log.log('info', 'run-ended', describeEnd(end, file), {
      end,
      confirmed: confirmed === null ? null : formatLsn(confirmed),
    });
    return null;
  } catch (error) {
    if (next !== null && !of.signal.aborted && error === signal.reason) return next;
    if (!signal.aborted) context.view.failure = redact(errorLine(error));
    else context.log.log('info', 'run-ended', describeEnd('stopped', file), { end: 'stopped' });
    throw error;
  }
}

/** A `resync` in another process asked the run to restart: with the edited file if it can be taken up. */
async function fileNow(cli: Cli, { file, config, signal }: RunOfFile, running: OpenPipeline): Promise<PipelineConfig> {
  return (await readAgain(cli, { file, running, signal })) ?? config;
}

/** One at a time; a signal that comes while one is being handled is handled after it. */
function onHangup(work: () => Promise<void>): Disposable {
  let running: Promise<void> = Promise.resolve();
  const listener = () => void (running = running.then(work).catch(() => {}));
  process.on('SIGHUP', listener);
  return { [Symbol.dispose]: () => void process.off('SIGHUP', listener) };
}

/** Loaded only if the file asks for metrics. */
async function metricsOf({ http, otlp, pipeline }: PipelineConfig): Promise<PromMetrics | null> {
  if (http === null && otlp === null) return null;
  const { PromMetrics } = await import('../../observe/metrics.ts');
  return new PromMetrics(pipeline);
}

async function serve(
  { view, log }: RunContext,
  { http }: PipelineConfig,
  metrics: PromMetrics | null,
): Promise<AsyncDisposable | null> {
  if (http === null || metrics === null) return null;
  const { serveHttp } = await import('../../observe/http/server.ts');
  const server = await serveHttp({ address: http, view, metrics });
  log.log('info', 'http-listening', `watch it at ${server.url}/`, { url: server.url });
  return server;
}

async function push(
  { log }: RunContext,
  { otlp, pipeline }: PipelineConfig,
  metrics: PromMetrics | null,
): Promise<AsyncDisposable | null> {
  if (otlp === null || metrics === null) return null;
  const { OtlpPush } = await import('../../observe/otlp.ts');
  return new OtlpPush({ ...otlp, metrics, pipeline, log });
}

function finishedTables(state: PipelineState, { sinks }: Instances): number {
  const tables = sinks.flatMap(({ name }) => [...state.tables(name).values()]);
  return tables.filter((table) => table.state === 'finished').length;
}

/** The last line of a run: the state at its end, and what is still kept on the source. */
function describeEnd(end: string, file: string): string {
  if (end === 'copied') return 'the copy is complete; nothing is kept on the source';
  const goOn = `go on with: pgsluice run ${file}`;
  if (end === 'ended') return `the stop position is reached; the slot still keeps WAL on the source; ${goOn}`;
  if (end === 'barrier') return 'ended at a barrier, everything up to it is durable; another process takes over';
  return `stopped; everything applied is saved and the slot still keeps WAL on the source; ${goOn}, or remove it with: pgsluice cleanup ${file}`;
}
