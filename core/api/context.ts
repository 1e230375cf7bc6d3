import type { DeadLetters } from './dead-letter.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, string | number | boolean | bigint | null | undefined>>;
/** Structured log; `event` is a stable kebab-case name, fields never hold a row value or a password (I11). */
export interface Logger {
  child(fields: LogFields): Logger;
  log(level: LogLevel, event: string, message: string, fields?: LogFields): void;
}
/** Counters and gauges, updated per batch, never per row. */
export interface Metrics {
  count(name: string, by: number, labels?: Readonly<Record<string, string>>): void;
  gauge(name: string, value: number, labels?: Readonly<Record<string, string>>): void;
}
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
}
