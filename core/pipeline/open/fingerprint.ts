import { createHash } from 'node:crypto';
import type { PipelineConfig, TransformUse } from '../../config/pipeline-config.ts';

/** Under which the state keeps {@link fingerprint}. */
export const fileKey = 'file';

/** Of what decides which rows go where: the transforms, and each sink's own transforms and choice of tables. */
export function fingerprint(config: PipelineConfig): string {
  const chain = (uses: readonly TransformUse[]) =>
    uses.map((use) => [use.plugin.name, use.tables, withoutRefetch(use.options)]);
  const sinks = config.sinks.map((sink) => [sink.name, sink.plugin.name, sink.tables, chain(sink.transforms)]);
  return createHash('sha256')
    .update(JSON.stringify([chain(config.transforms), sinks]))
    .digest('hex');
}

/** How a value comes is not what it is: `refetch` may be set when the stream has stopped for the want of it. */
function withoutRefetch(options: object): object {
  const { refetch: _, ...others } = options as { readonly refetch?: unknown };
  return others;
}
