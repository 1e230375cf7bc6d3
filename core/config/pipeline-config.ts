import type { CheckpointPlugin, SinkPlugin, SourcePlugin, TransformPlugin } from '../api/plugin.ts';
import type { SnapshotOption } from '../api/schemas.ts';
import type { Options } from '../registry/options-schema.ts';
import type { Position } from './problem.ts';

/** A plugin with its checked options: defaults filled in, sizes in bytes, durations in milliseconds. */
export interface PluginUse<P> extends Position {
  readonly plugin: P;
  readonly options: Options;
  /** `source`, `sinks[0]`, `checkpoint`. */
  readonly label: string;
}

/** A use whose options hold expressions. */
export interface Located {
  /**
   * Place in the file of a line and column within the text of an option (its key, or a JSON pointer); the start of the
   * use if the exact place is not known.
   */
  readonly locate: (option: string, line: number, column: number) => Position;
}

export interface TransformUse extends PluginUse<TransformPlugin>, Located {
  /** Globs on the source's `schema.table`; null: all. */
  readonly tables: readonly string[] | null;
}

export interface SinkUse extends PluginUse<SinkPlugin>, Located {
  readonly name: string;
  /** Globs on the source's `schema.table`; null: all. */
  readonly tables: readonly string[] | null;
  /** Transforms of this sink; they follow those of the pipeline. */
  readonly transforms: readonly TransformUse[];
  /** Bytes of memory for changes that wait for this sink. */
  readonly buffer: number;
}

export interface DeadLetterConfig {
  /** Absolute; null where it is a topic. */
  readonly file: string | null;
  readonly topic: string | null;
  readonly maxFailures: number;
  readonly window: number;
}

export interface OtlpConfig {
  /** Without `/v1/metrics`, as OTEL_EXPORTER_OTLP_ENDPOINT has it. */
  readonly url: string;
  /** Milliseconds between two messages. */
  readonly every: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface VerifyConfig {
  /** Milliseconds in which each row is compared once. */
  readonly every: number;
  readonly repair: boolean;
}

/** A validated pipeline file, with its plugins loaded. */
export interface PipelineConfig {
  /** The path as the user gave it. */
  readonly file: string;
  /** Absolute folder of the file. */
  readonly directory: string;
  readonly pipeline: string;
  readonly source: PluginUse<SourcePlugin>;
  readonly snapshot: SnapshotOption;
  readonly transforms: readonly TransformUse[];
  readonly sinks: readonly SinkUse[];
  /**
   * The file's checkpoint, else the one that the first sink suggests, else `file`; null if no such plugin is
   * registered.
   */
  readonly checkpoint: PluginUse<CheckpointPlugin> | null;
  /** `HOST:PORT`, on the loopback interface where the file gives a port only; null: no HTTP server. */
  readonly http: string | null;
  /** Null: metrics are sent nowhere. */
  readonly otlp: OtlpConfig | null;
  /** Bytes per second. */
  readonly limit: { readonly rate: number | null };
  readonly ddl: 'stop' | 'follow';
  readonly onUnknownValues: 'resync' | 'stop';
  readonly deadLetter: DeadLetterConfig | null;
  /** Null: no comparison while the run goes on. */
  readonly verify: VerifyConfig | null;
  /**
   * Replaces values that came through `${…}` by their reference, for messages of plugins and servers that may quote
   * options (I11).
   */
  readonly scrub: (text: string) => string;
}
