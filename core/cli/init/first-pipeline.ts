import type { PluginContext } from '../../api/context.ts';
import { readCatalog, type Source } from '../../api/source.ts';
import { withDefaults } from '../../base/options.ts';
import { runtimeError } from '../../pipeline/errors.ts';
import type { PluginOf } from '../../registry/registry.ts';
import type { Cli } from '../cli.ts';

export interface FirstPipelineOptions {
  readonly url: string;
  readonly pipeline: string;
  readonly signal: AbortSignal;
}

type First = NonNullable<PluginOf<'source'>['first']>;

/** A commented pipeline file for what the source has, by the plugin that knows such URLs. */
export async function firstPipeline(cli: Cli, options: FirstPipelineOptions): Promise<string> {
  const { source, first } = await openFirst(cli, options);
  await using _ = source;
  return first.file(options.pipeline, await readCatalog(source, options.signal));
}

/** The source at the URL. */
export async function openFirst(
  cli: Cli,
  options: FirstPipelineOptions,
): Promise<{ readonly source: Source; readonly first: First }> {
  for (const name of cli.registry.names('source')) {
    const plugin = await cli.registry.load('source', name, process.cwd());
    if (plugin.first === undefined) continue;
    const context: PluginContext = {
      pipeline: options.pipeline,
      name: 'source',
      directory: process.cwd(),
      log: await cli.logger('stderr'),
      metrics: { count: () => {}, gauge: () => {} },
      debugValues: false,
    };
    const given = withDefaults(plugin.options, plugin.first.options(options.url));
    return { source: await plugin.create(given as never, context), first: plugin.first };
  }
  throw runtimeError('PGS7050', 'a first pipeline file needs `first`, which no source plugin has');
}
