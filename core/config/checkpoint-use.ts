import type { CheckpointPlugin } from '../api/plugin.ts';
import { checkSchema } from './check-schema.ts';
import type { Options } from '../registry/options-schema.ts';
import type { PluginUse, SinkUse } from './pipeline-config.ts';
import { type ResolveContext, resolveUse } from './resolve-use.ts';
import { useSchema } from './use-schema.ts';
import type { TreeProblem } from './yaml-tree.ts';

/**
 * Decides where progress is kept. Given in the file: that, with what the first sink of the same kind suggests (its URL)
 * for keys that are left out. Not given: what the first sink that suggests one does, else a file beside the pipeline file.
 */
export async function checkpointUse(
  given: unknown,
  sinks: readonly SinkUse[],
  context: ResolveContext,
): Promise<PluginUse<CheckpointPlugin> | null> {
  const suggestion = suggest(sinks);
  if (given === undefined) {
    const plugin = context.registry.fallback('checkpoint');
    const taken = suggestion ?? (plugin === null ? null : { plugin, options: {} });
    return taken === null ? null : suggested(taken, context);
  }
  const name = (given as Options | null)?.['plugin'];
  // What a sink that is wrong itself suggests is wrong as well, and was told already.
  const sound = context.problems.length === 0;
  const base = sound && suggestion !== null && suggestion.plugin === name ? suggestion.options : {};
  const problems: TreeProblem[] = [];
  const use = await resolveUse('checkpoint', { ...base, ...(given as Options) }, '/checkpoint', {
    ...context,
    problems,
  });
  // Nor is what it would have suggested then known to be left out.
  context.problems.push(...problems.filter((one) => one.code !== 'PGS1005' || sound));
  return use;
}

interface Suggestion {
  readonly plugin: string;
  readonly options: { readonly [key: string]: unknown };
}

function suggest(sinks: readonly SinkUse[]): Suggestion | null {
  for (const sink of sinks) {
    if (sink.plugin.checkpoint !== undefined) return sink.plugin.checkpoint(sink.options as never);
  }
  return null;
}

async function suggested(by: Suggestion, context: ResolveContext): Promise<PluginUse<CheckpointPlugin> | null> {
  if (!context.registry.names('checkpoint').includes(by.plugin)) return null;
  const plugin = await context.registry.load('checkpoint', by.plugin, context.directory);
  const scope = { tree: context.tree, pointer: '/checkpoint', label: 'checkpoint' };
  const checked = checkSchema(useSchema(plugin).options, { ...by.options }, scope);
  if (context.problems.length === 0) context.problems.push(...checked.problems);
  const options = checked.value as Options;
  return { plugin, options, label: 'checkpoint', ...context.tree.valueAt('/checkpoint') };
}
