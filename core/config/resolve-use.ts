import { isPgsluiceError } from '../registry/call.ts';
import type { PluginKind, PluginOf, Registry } from '../registry/registry.ts';
import { checkSchema } from './check-schema.ts';
import type { Options } from './options-schema.ts';
import type { PluginUse } from './pipeline-config.ts';
import { useSchema } from './use-schema.ts';
import type { TreeProblem, YamlTree } from './yaml-tree.ts';

export interface ResolveContext {
  readonly directory: string;
  readonly tree: YamlTree;
  readonly registry: Registry;
  readonly problems: TreeProblem[];
}

/** Loads the plugin that a part of the file names and checks the part against its schema; null, with problems added, where that fails. */
export async function resolveUse<K extends PluginKind>(
  kind: K,
  value: unknown,
  pointer: string,
  context: ResolveContext,
): Promise<PluginUse<PluginOf<K>> | null> {
  const name = typeof value === 'object' && value !== null ? (value as Options)['plugin'] : undefined;
  if (typeof name !== 'string' || name === '' || context.tree.broken(`${pointer}/plugin`)) return null;
  const label = labelOf(pointer);
  const plugin = await load(kind, name, pointer, context);
  if (plugin === null) return null;
  const checked = checkSchema(useSchema(plugin), value, { tree: context.tree, pointer, label });
  context.problems.push(...checked.problems);
  if (checked.problems.length > 0) return null;
  const { plugin: _, ...options } = checked.value as Options;
  return { plugin, options, label, ...context.tree.valueAt(pointer) };
}

async function load<K extends PluginKind>(
  kind: K,
  name: string,
  pointer: string,
  context: ResolveContext,
): Promise<PluginOf<K> | null> {
  try {
    return await context.registry.load(kind, name, context.directory);
  } catch (error) {
    if (!isPgsluiceError(error)) throw error;
    const code = error.code === 'PGS9001' ? 'PGS1012' : error.code;
    const message = context.tree.scrub(error.message);
    context.problems.push({ code, message, ...context.tree.valueAt(`${pointer}/plugin`) });
    return null;
  }
}

/** `/sinks/0/transforms/1` as `sinks[0].transforms[1]`. */
function labelOf(pointer: string): string {
  return pointer
    .slice(1)
    .replace(/\/(\d+)/g, '[$1]')
    .replaceAll('/', '.');
}
