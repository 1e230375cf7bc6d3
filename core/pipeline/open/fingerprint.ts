import { createHash } from 'node:crypto';
import type { PipelineConfig, TransformUse } from '../../config/pipeline-config.ts';

/**
 * Of everything that decides which rows go where: the transforms, and each sink's own transforms and choice of tables.
 */
export function fingerprint(config: PipelineConfig): string {
  const chain = (uses: readonly TransformUse[]) =>
    uses.map((use) => [use.plugin.name, inOrder(use.tables), withoutRefetch(use.options)]);
  const sinks = config.sinks.map((sink) => [sink.name, sink.plugin.name, inOrder(sink.tables), chain(sink.transforms)]);
  return createHash('sha256')
    .update(canonical([chain(config.transforms), sinks]))
    .digest('hex');
}

/** Whether a fingerprint in the state, perhaps of an earlier version, matches the present file. */
export function isFingerprintOf(config: PipelineConfig, kept: unknown): boolean {
  return kept === fingerprint(config) || kept === fingerprintByText(config);
}

/** Up to version 0.1.0: includes the order of keys and patterns in the file. */
function fingerprintByText(config: PipelineConfig): string {
  const chain = (uses: readonly TransformUse[]) =>
    uses.map((use) => [use.plugin.name, use.tables, withoutRefetch(use.options)]);
  const sinks = config.sinks.map((sink) => [sink.name, sink.plugin.name, sink.tables, chain(sink.transforms)]);
  return createHash('sha256')
    .update(JSON.stringify([chain(config.transforms), sinks]))
    .digest('hex');
}

/** How a value is obtained does not change the value: `refetch` may be set after the stream stopped for lack of it. */
function withoutRefetch(options: object): object {
  const { refetch: _, ...others } = options as { readonly refetch?: unknown };
  return others;
}

/** Patterns choose the same tables in any order. */
function inOrder(tables: readonly string[] | null): readonly string[] | null {
  return tables === null ? null : tables.toSorted();
}

/** As JSON, with the keys of every mapping in one order: their order in the file has no meaning. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inside: unknown) =>
    typeof inside === 'object' && inside !== null && !Array.isArray(inside)
      ? Object.fromEntries(Object.entries(inside).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inside,
  );
}
