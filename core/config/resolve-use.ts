import { isPgsluiceError } from '../registry/call.ts';
import type { PluginKind, PluginOf, Registry } from '../registry/registry.ts';
import { checkSchema } from './check-schema.ts';
import type { Options } from '../registry/options-schema.ts';
import type { PluginUse } from './pipeline-config.ts';
import { useSchema } from './use-schema.ts';
import type { TreeProblem, YamlTree } from './yaml-tree.ts';

export interface ResolveContext {
  readonly directory: string;
  readonly tree: YamlTree;
  readonly registry: Registry;
  readonly problems: TreeProblem[];
}

/** A use of a plugin before the keys around the options are split off. */
export interface ResolvedUse<P> extends PluginUse<P> {
  readonly envelope: Options;
}

/**
 * Loads the plugin that a part of the file names and checks the part against the plugin's schema; null, with problems
 * added, on failure.
 */
export async function resolveUse<K extends PluginKind>(
  kind: K,
  value: unknown,
  pointer: string,
  context: ResolveContext,
): Promise<ResolvedUse<PluginOf<K>> | null> {
  const name = typeof value === 'object' && value !== null ? (value as Options)['plugin'] : undefined;
  if (typeof name !== 'string' || name === '' || context.tree.broken(`${pointer}/plugin`)) return null;
  const label = labelOf(pointer);
  const plugin = await load(kind, name, pointer, context);
  if (plugin === null) return null;
  const schema = useSchema(plugin);
  const all = Object.entries(value as Options);
  const scope = { tree: context.tree, pointer, label, known: schema.keys };
  const part = (inside: boolean) =>
    Object.fromEntries(all.filter(([key]) => schema.envelopeKeys.includes(key) === inside));
  const envelope = checkSchema(schema.envelope, part(true), scope);
  const options = checkSchema(schema.options, part(false), scope);
  const problems = [...envelope.problems, ...options.problems];
  context.problems.push(...problems);
  if (problems.length > 0) return null;
  const place = context.tree.valueAt(pointer);
  return { plugin, options: options.value as Options, envelope: envelope.value as Options, label, ...place };
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
