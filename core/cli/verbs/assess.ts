import { writeFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { AssessSource } from '../../api/assessment.ts';
import { parseDuration, parseRate } from '../../base/units.ts';
import { blocksCutover } from '../../operations/assess/ahead.ts';
import { type Comparison, compare, printComparison } from '../../operations/assess/compare.ts';
import { ratesOf } from '../../operations/assess/estimate.ts';
import { htmlReport } from '../../operations/assess/html.ts';
import { printAssessment } from '../../operations/assess/print.ts';
import { beginDecoding, probe } from '../../operations/assess/probe.ts';
import { assessment } from '../../operations/assess/report.ts';
import { watch } from '../../operations/assess/watch.ts';
import { runChecks } from '../../operations/check/checks.ts';
import { needed } from '../../pipeline/open/capability.ts';
import type { OpenPipeline } from '../../pipeline/open/open-pipeline.ts';
import type { Cli } from '../cli.ts';
import { cliError } from '../errors.ts';
import { openFor } from '../open.ts';

interface AssessFlags {
  readonly for: number;
  readonly html?: string;
  readonly json?: boolean;
  readonly compare?: boolean;
  readonly probe?: boolean;
  readonly copyRate?: number;
  readonly indexRate?: number;
  readonly applyRate?: number;
}

/** `pgsluice assess FILE`: watches the source and says what a migration of it would take. Exit 3: NO-GO. */
export function register(program: Command, cli: Cli): void {
  program
    .command('assess')
    .description('before a migration: sizes, rates, hours, WAL, what stands in the way; changes nothing; exit 3: NO-GO')
    .argument('<file>', 'pipeline file')
    .option('--for <duration>', 'watch the source so long; SIGINT ends it early and reports (10m)', duration, 600_000)
    .option('--html <file>', 'write the report with plots into this file, too')
    .option('--json', 'print JSON')
    .option(
      '--probe',
      'copy for ten seconds into tables that are rolled back, index them, and decode the WAL of the watch: measured rates',
    )
    .option('--compare', 'after a cutover: settings and statements (pg_stat_statements) of both sides, instead')
    .option('--copy-rate <rate>', 'what the copy takes of rows with TOAST, such as 80MB/s (assumed: 40MB/s)', rate)
    .option('--index-rate <rate>', 'how fast the target builds indexes (assumed: 20MB/s)', rate)
    .option('--apply-rate <rate>', 'how much WAL of the source the stream goes through (assumed: 15MB/s)', rate)
    .action((file: string, flags: AssessFlags) => cli.withSignals((signal) => assess(cli, file, flags, signal)));
}

async function assess(cli: Cli, file: string, flags: AssessFlags, signal: AbortSignal): Promise<void> {
  try {
    await report(cli, file, flags, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    // Not 0, so that nobody takes this for a GO.
    cli.stderr.write('interrupted before the source was watched: nothing to report\n');
    cli.exit(1);
  }
}

async function report(cli: Cli, file: string, flags: AssessFlags, signal: AbortSignal): Promise<void> {
  await using pipeline = await openFor(cli, { file, lock: 'none', logTo: 'stderr', signal });
  const { context, instances, config } = pipeline;
  const source = needed(context.source, 'assess', '`assess`');
  if (flags.compare === true) {
    // Awaited here, because the pipeline is closed at the end of this function.
    await compareWith(cli, { pipeline, source, json: flags.json === true, signal });
    return;
  }
  const survey = await source.survey(signal);
  const findings = await runChecks(context, instances, config);
  const tried = { context, instances, config };
  const ahead = await blocksCutover(tried);
  await using decoding = flags.probe === true ? await beginDecoding(tried) : null;
  const began = () => context.log.log('info', 'watching', `the source is watched for ${flags.for / 1000} s`);
  const watched = await watch({ source, survey, duration: flags.for, signal, began });
  const measured = decoding === null ? null : await probe(tried, decoding);
  const given = { copy: flags.copyRate ?? null, index: flags.indexRate ?? null, apply: flags.applyRate ?? null };
  const rates = ratesOf(given, measured);
  const result = assessment({ pipeline: config.pipeline, survey, watched, findings, rates, probe: measured, ahead });
  if (flags.html !== undefined) await writeFile(flags.html, htmlReport(result));
  cli.stdout.write(flags.json === true ? `${JSON.stringify(result, null, 2)}\n` : printAssessment(result));
  if (result.verdict === 'NO-GO') cli.exit(3);
}

interface CompareOptions {
  readonly pipeline: OpenPipeline;
  readonly source: AssessSource;
  readonly json: boolean;
  readonly signal: AbortSignal;
}

/** Each sink that is a database, beside the source. */
async function compareWith(cli: Cli, { pipeline, source, json, signal }: CompareOptions): Promise<void> {
  const here = await source.profile(signal);
  const compared: Comparison[] = [];
  for (const { name, sink } of pipeline.instances.sinks) {
    const target = await sink.profile?.(signal);
    if (target !== undefined)
      compared.push(compare({ pipeline: pipeline.config.pipeline, sink: name, source: here, target }));
  }
  if (compared.length === 0) throw cliError('PGS1060', '`assess --compare` needs a sink that is a PostgreSQL database');
  cli.stdout.write(json ? `${JSON.stringify(compared, null, 2)}\n` : compared.map(printComparison).join('\n'));
}

function duration(text: string): number {
  const value = parseDuration(text);
  if (value !== null && value > 0) return value;
  throw new InvalidArgumentError('a duration with a unit is wanted, such as 30s or 10m');
}

function rate(text: string): number {
  const value = parseRate(text);
  if (value !== null && value > 0) return value;
  throw new InvalidArgumentError('a rate is wanted, such as 50MB/s');
}
