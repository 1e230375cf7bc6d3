import type { SinkPlugin } from '../api/plugin.ts';
import { type SnapshotOption, snapshotSchema } from '../api/schemas.ts';
import { withDefaults } from '../base/options.ts';
import type { PluginOf, Registry } from '../registry/registry.ts';
import type { Options } from '../registry/options-schema.ts';
import type { PipelineConfig, PluginUse, SinkUse, TransformUse } from './pipeline-config.ts';
import { checkpointUse } from './checkpoint-use.ts';
import { deadLetterOf } from './dead-letter.ts';
import { resolveUse } from './resolve-use.ts';
import { escapePointer, type TreeProblem, type YamlTree } from './yaml-tree.ts';

export interface BuildContext {
  readonly file: string;
  readonly directory: string;
  readonly tree: YamlTree;
  readonly registry: Registry;
  /** The parsed root, which may be invalid: every access checks the type first. */
  readonly root: unknown;
  /** Problems are added to it. */
  readonly problems: TreeProblem[];
}

/** Loads the plugins and checks their options. Null, with problems added, if a required part is missing. */
export async function buildPipeline(context: BuildContext): Promise<PipelineConfig | null> {
  const { root } = context;
  if (!isObject(root)) return null;
  const source = await resolveUse('source', root['source'], '/source', context);
  const transforms = await transformUses(root['transforms'], '/transforms', context);
  const sinks = await sinkUses(root['sinks'], context);
  const checkpoint = await checkpointUse(root['checkpoint'], sinks, context);
  const deadLetter = deadLetterOf(root['dead_letter'], sinks, context);
  if (source === null || sinks.length === 0 || context.problems.length > 0) return null;
  const limit = root['limit'] as { rate?: number } | undefined;
  return {
    file: context.file,
    directory: context.directory,
    pipeline: root['pipeline'] as string,
    source,
    snapshot: snapshotOf(source),
    transforms,
    sinks,
    checkpoint,
    http: httpOf(root['http']),
    otlp: (root['otlp'] as PipelineConfig['otlp'] | undefined) ?? null,
    limit: { rate: limit?.rate ?? null },
    ddl: root['ddl'] as 'stop' | 'follow',
    onUnknownValues: root['on_unknown_values'] as 'resync' | 'stop',
    deadLetter,
    verify: (root['verify'] as PipelineConfig['verify'] | undefined) ?? null,
    scrub: (text) => context.tree.scrub(text),
  };
}

async function transformUses(value: unknown, pointer: string, context: BuildContext): Promise<TransformUse[]> {
  const uses: TransformUse[] = [];
  for (const [index, item] of list(value).entries()) {
    const at = `${pointer}/${index}`;
    const use = await resolveUse('transform', item, at, context);
    if (use === null) continue;
    const { envelope, ...rest } = use;
    uses.push({
      ...rest,
      label: `${use.label} ${use.plugin.name}`,
      tables: tableList(envelope['tables']),
      locate: locator(at, context),
    });
  }
  return uses;
}

async function sinkUses(value: unknown, context: BuildContext): Promise<SinkUse[]> {
  const uses: SinkUse[] = [];
  const names = new Map<string, number>();
  for (const [index, item] of list(value).entries()) {
    const pointer = `/sinks/${index}`;
    const use = await resolveUse('sink', item, pointer, context);
    const inner = isObject(item) ? await transformUses(item['transforms'], `${pointer}/transforms`, context) : [];
    if (use === null) continue;
    const { envelope, ...rest } = use;
    const given = envelope['name'];
    const name = typeof given === 'string' ? given : defaultName(use.plugin);
    const first = names.get(name);
    if (first !== undefined) {
      const message = `sinks[${first}] and sinks[${index}] are both named "${name}"; give one of them a "name" of its own`;
      const place = typeof given === 'string' ? context.tree.valueAt(`${pointer}/name`) : context.tree.valueAt(pointer);
      context.problems.push({ code: 'PGS1013', message, ...place });
    }
    names.set(name, first ?? index);
    const buffer = envelope['buffer'] as number;
    const tables = tableList(envelope['tables']);
    uses.push({ ...rest, name, tables, transforms: inner, buffer, locate: locator(pointer, context) });
  }
  return uses;
}

function locator(at: string, { tree }: BuildContext): TransformUse['locate'] {
  return (option, line, column) => {
    const path = option.startsWith('/') ? option : `/${escapePointer(option)}`;
    return tree.within(at + path, line, column);
  };
}

/** A plugin's name made valid as a part of state keys. */
function defaultName(plugin: SinkPlugin): string {
  const fit = plugin.name
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '_')
    .replace(/^[^a-z]+/, '');
  return fit === '' ? 'sink' : fit.slice(0, 41);
}

function snapshotOf(source: PluginUse<PluginOf<'source'>>): SnapshotOption {
  // A source plugin may declare a `snapshot` of its own, with fewer keys.
  return withDefaults(snapshotSchema, isObject(source.options['snapshot']) ? source.options['snapshot'] : {});
}

/** A port alone means the loopback interface: nothing listens on the network unless the file says so. */
function httpOf(value: unknown): string | null {
  if (value === undefined) return null;
  const text = String(value);
  return text.includes(':') ? text.replace(/^:/, '127.0.0.1:') : `127.0.0.1:${text}`;
}

function tableList(value: unknown): readonly string[] | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? [value] : (value as string[]);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isObject(value: unknown): value is Options {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
