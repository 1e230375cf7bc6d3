import type { AnyPlugin } from '../core/api/plugin.ts';

/** The plugins that come with the program. Each is imported when it is used. */
export interface BuiltinPlugin {
  readonly kind: AnyPlugin['kind'];
  readonly name: string;
  readonly load: () => Promise<AnyPlugin>;
  /** The one of its kind that is taken where the file names none. */
  readonly fallback?: true;
}

export const builtins: readonly BuiltinPlugin[] = [
  { kind: 'source', name: 'postgres', load: async () => (await import('./source-postgres/plugin.ts')).sourcePostgres },
  { kind: 'source', name: 'kafka', load: async () => (await import('./sink-kafka/source/plugin.ts')).sourceKafka },
  { kind: 'sink', name: 'postgres', load: async () => (await import('./sink-postgres/plugin.ts')).sinkPostgres },
  { kind: 'sink', name: 'kafka', load: async () => (await import('./sink-kafka/plugin.ts')).sinkKafka },
  {
    kind: 'transform',
    name: 'filter',
    load: async () => (await import('./transform-filter/plugin.ts')).transformFilter,
  },
  {
    kind: 'transform',
    name: 'rename',
    load: async () => (await import('./transform-rename/plugin.ts')).transformRename,
  },
  {
    kind: 'transform',
    name: 'columns',
    load: async () => (await import('./transform-columns/plugin.ts')).transformColumns,
  },
  { kind: 'transform', name: 'set', load: async () => (await import('./transform-set/plugin.ts')).transformSet },
  { kind: 'transform', name: 'mask', load: async () => (await import('./transform-mask/plugin.ts')).transformMask },
  {
    kind: 'transform',
    name: 'script',
    load: async () => (await import('./transform-script/plugin.ts')).transformScript,
  },
  {
    kind: 'checkpoint',
    name: 'postgres',
    load: async () => (await import('./checkpoint-postgres/plugin.ts')).checkpointPostgres,
  },
  {
    kind: 'checkpoint',
    name: 'file',
    fallback: true,
    load: async () => (await import('./checkpoint-file/plugin.ts')).checkpointFile,
  },
];
