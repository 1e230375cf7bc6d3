import { createHash } from 'node:crypto';
import type { PipelineConfig, TransformUse } from '../config/pipeline-config.ts';

/** Under which the state keeps {@link fingerprint}. */
export const fileKey = 'file';

/** Of what decides which rows go where: the transforms, and each sink's own transforms and choice of tables. */
export function fingerprint(config: PipelineConfig): string {
  const chain = (uses: readonly TransformUse[]) => uses.map((use) => [use.plugin.name, use.tables, use.options]);
  const sinks = config.sinks.map((sink) => [sink.name, sink.plugin.name, sink.tables, chain(sink.transforms)]);
  return createHash('sha256')
    .update(JSON.stringify([chain(config.transforms), sinks]))
    .digest('hex');
}
