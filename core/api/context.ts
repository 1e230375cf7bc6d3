import type { DeadLetters } from './dead-letter.ts';
import type { RowExpressions } from './expressions.ts';
import type { Logger } from '../base/logger.ts';
import type { Metrics } from '../base/metrics.ts';

/** What core gives a plugin. */
export interface PluginContext {
  readonly pipeline: string;
  /** Name of this instance in errors and reports: `source`, the sink's `name`. */
  readonly name: string;
  /** Folder of the pipeline file; relative paths in options start here. */
  readonly directory: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** `--debug-values`: row values may be shown. */
  readonly debugValues: boolean;
  /** For sinks, and only where the file has `dead_letter`; without it a change that fails is an error (I9). */
  readonly deadLetters?: DeadLetters;
  /** For sinks: several processes apply at once, each what it has claimed ({@link StreamSink.claim}). */
  readonly shared?: true;
  /** For sinks: loads the SQL parser. Rows of the snapshot and of the stream are evaluated here, by the same function. */
  readonly expressions?: () => Promise<RowExpressions>;
}
