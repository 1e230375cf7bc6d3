import type { CheckpointPlugin } from '../api/plugin.ts';
import { checkSchema } from './check-schema.ts';
import type { Options } from '../registry/options-schema.ts';
import type { PluginUse, SinkUse } from './pipeline-config.ts';
import { type ResolveContext, resolveUse } from './resolve-use.ts';
import { useSchema } from './use-schema.ts';
import type { TreeProblem } from './yaml-tree.ts';

/**
 * Decides where progress is kept. If the file names a checkpoint: there, with keys that it leaves out taken from the
 * first sink of the same kind (its URL). If it names none: where the first sink that suggests a checkpoint wants it,
 * else in a file beside the pipeline file.
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
  // The suggestion of an invalid sink is invalid as well, and has been reported already.
  const sound = context.problems.length === 0;
  const base = sound && suggestion !== null && suggestion.plugin === name ? suggestion.options : {};
  const problems: TreeProblem[] = [];
  const use = await resolveUse('checkpoint', { ...base, ...(given as Options) }, '/checkpoint', {
    ...context,
    problems,
  });
  // If the sink is invalid, it is not known which keys its suggestion would have supplied.
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
