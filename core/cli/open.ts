import { type OpenOptions, type OpenPipeline, openPipeline } from '../pipeline/open/open-pipeline.ts';
import type { Metrics } from '../base/metrics.ts';
import type { Logger } from '../base/logger.ts';
import type { PipelineConfig } from '../config/pipeline-config.ts';
import { noMetrics } from '../base/no-metrics.ts';
import type { Cli } from './cli.ts';

export interface OpenVerb {
  readonly file: string;
  readonly lock: OpenOptions['lock'];
  /** Where log lines go: a verb that prints a result keeps stdout for the result. */
  readonly logTo: 'stdout' | 'stderr';
  readonly signal: AbortSignal;
  readonly metrics?: Metrics;
  /** The parsed file, if the caller has loaded it already. */
  readonly config?: PipelineConfig;
  /** Replaces the command line's logger. */
  readonly log?: Logger;
}

/** Loads the file and opens the pipeline for a verb. */
export async function openFor(cli: Cli, verb: OpenVerb): Promise<OpenPipeline> {
  const config = verb.config ?? (await cli.load(verb.file));
  return openPipeline({
    config,
    log: verb.log ?? (await cli.logger(verb.logTo)),
    metrics: verb.metrics ?? noMetrics,
    debugValues: cli.options.debugValues,
    stop: verb.signal,
    lock: verb.lock,
  });
}
