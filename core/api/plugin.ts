import type { JsonSchema } from '../base/json-schema.ts';
import type { CheckpointStore } from './checkpoint.ts';
import type { PluginContext } from './context.ts';
import type { ErrorTable } from '../base/error.ts';
import type { Sink } from './sink.ts';
import type { Source, SourceCatalog } from './source.ts';
import type { Transform } from './transform.ts';

/**
 * A plugin is a value. Importing it has no side effect. `options` is the JSON Schema of its keys in the pipeline file
 * (without `plugin`, and for sinks without `name`, `tables`, `transforms`); parser, editor schema and docs come from it.
 * Two own keywords: `format: size` and `format: duration` mark strings with units (`64MB`, `30s`), which core turns into
 * numbers of bytes and milliseconds before `create`.
 */
/** Keys as they stand in a pipeline file, `plugin` among them where it is a whole use. */
export type FileKeys = Readonly<Record<string, unknown>>;

interface PluginBase<K extends string> {
  readonly kind: K;
  readonly name: string;
  readonly apiVersion: 1;
  readonly summary: string;
  readonly options: JsonSchema;
  /** Its table of error codes, for docs/errors.md. */
  readonly errors?: ErrorTable;
}
export interface SourcePlugin<O = never> extends PluginBase<'source'> {
  readonly create: (options: O, context: PluginContext) => Promise<Source>;
  /** `pgsluice init`: options for a source at this URL, and a first pipeline file for what it has. */
  readonly first?: {
    readonly options: (url: string) => FileKeys;
    readonly file: (pipeline: string, catalog: SourceCatalog) => string;
  };
  /** The use of a sink that writes where a source with these options reads: the way back of a cutover. */
  readonly asSink?: (given: FileKeys) => FileKeys;
}
export interface SinkPlugin<O = never> extends PluginBase<'sink'> {
  readonly create: (options: O, context: PluginContext) => Promise<Sink>;
  /** Its sinks have topics that can hold dead letters ({@link Sink.deadLetterTopic}). */
  readonly deadLetterTopics?: true;
  /** The use of a source that reads where a sink with these options writes, without `tables` and `snapshot`: the way back. */
  readonly asSource?: (given: FileKeys) => FileKeys;
  /** The checkpoint that suits this sink when the file names none. */
  readonly checkpoint?: (options: O) => {
    readonly plugin: string;
    readonly options: { readonly [key: string]: unknown };
  };
}
export interface TransformPlugin<O = never> extends PluginBase<'transform'> {
  readonly create: (options: O, context: PluginContext) => Transform | Promise<Transform>;
  /** Options of a step that does one thing with one table, for files that core writes: the way back of a cutover. */
  readonly step?: {
    readonly drop?: (columns: readonly string[]) => FileKeys;
    /** `to` null: the table keeps its name. `columns`: new names by old ones. */
    readonly rename?: (to: string | null, columns: Readonly<Record<string, string>>) => FileKeys;
  };
}
export interface CheckpointPlugin<O = never> extends PluginBase<'checkpoint'> {
  readonly create: (options: O, context: PluginContext) => Promise<CheckpointStore>;
}
export type AnyPlugin = SourcePlugin | SinkPlugin | TransformPlugin | CheckpointPlugin;

/** Identity function that checks a plugin's types at its definition. */
export function definePlugin<O>(plugin: SourcePlugin<O>): SourcePlugin<O>;
export function definePlugin<O>(plugin: SinkPlugin<O>): SinkPlugin<O>;
export function definePlugin<O>(plugin: TransformPlugin<O>): TransformPlugin<O>;
export function definePlugin<O>(plugin: CheckpointPlugin<O>): CheckpointPlugin<O>;
export function definePlugin(plugin: unknown): unknown {
  return plugin;
}
