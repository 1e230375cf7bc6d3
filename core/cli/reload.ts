import { checkTransforms } from '../config/check-transforms.ts';
import type { PipelineConfig } from '../config/pipeline-config.ts';
import { PipelineFileError } from '../config/problem.ts';
import { fileFacts, tellChanges } from '../pipeline/open/file-changes.ts';
import { fingerprint } from '../pipeline/open/fingerprint.ts';
import type { OpenPipeline } from '../pipeline/open/open-pipeline.ts';
import { judgeFile } from '../operations/run/take-up-file.ts';
import type { Cli } from './cli.ts';
import { openFor } from './open.ts';
import { renderError } from './render-error.ts';

export interface ReloadRequest {
  readonly file: string;
  /** The running pipeline, with the file that it was started with. */
  readonly running: OpenPipeline;
  readonly signal: AbortSignal;
}

/**
 * SIGHUP: reads the file again and reports what differs and what that needs. Returns the new file if a following run
 * can take it up; null: the run goes on unchanged, and the log says why.
 */
export async function readAgain(cli: Cli, { file, running, signal }: ReloadRequest): Promise<PipelineConfig | null> {
  const { log } = running.context;
  const keep = (level: 'info' | 'error', event: string, message: string): null => {
    log.log(level, event, message);
    return null;
  };
  try {
    const config = await cli.load(file);
    const problems = await checkTransforms(config, cli.options.debugValues);
    if (problems.length > 0) throw new PipelineFileError(file, problems);
    if (sameFile(config, running.config)) return keep('info', 'file-unchanged', 'the file says what it said');
    await using next = await openFor(cli, { file, config, lock: 'none', logTo: 'stdout', signal, log });
    const { changes, refused } = await judgeFile(next, running.context, running.config);
    const busy = !running.context.run.isFollowing;
    if (refused.length > 0 || busy) tellChanges(log, changes);
    if (refused.length > 0)
      return keep('error', 'file-refused', `the run goes on with the file as it was: ${refused.join('; ')}`);
    if (busy) return keep('info', 'file-kept', 'tables are still copied: the next run takes the changed file up');
    return config;
  } catch (error) {
    if (signal.aborted) throw error;
    return keep(
      'error',
      'file-refused',
      `the run goes on with the file as it was: ${renderError(error, false).trim()}`,
    );
  }
}

/** Compares values that are never shown, too, such as a URL with another password. */
function sameFile(a: PipelineConfig, b: PipelineConfig): boolean {
  const said = (of: PipelineConfig) =>
    JSON.stringify([
      fileFacts(of),
      fingerprint(of),
      [of.source, ...of.sinks, ...(of.checkpoint === null ? [] : [of.checkpoint])].map(({ options }) => options),
    ]);
  return said(a) === said(b);
}
