import { definePlugin, type SinkPlugin } from '../../core/api/plugin.ts';
import { type ApplyOptions, createStreamSink } from './apply/stream-sink.ts';
import { applyErrors } from './apply/errors.ts';
import { bulkErrors } from './errors.ts';
import { type BulkOptions, bulkOptions } from './options.ts';
import { PostgresSink } from './sink.ts';

export interface PostgresSinkOptions extends BulkOptions {
  readonly on_missing?: ApplyOptions['onMissing'];
}

export const sinkPostgres: SinkPlugin<PostgresSinkOptions> = definePlugin<PostgresSinkOptions>({
  kind: 'sink',
  name: 'postgres',
  apiVersion: 1,
  summary: 'Another PostgreSQL: schema, copy, indexes, then changes exactly once.',
  options: {
    type: 'object',
    required: ['url'],
    additionalProperties: false,
    properties: {
      ...bulkOptions,
      on_missing: {
        enum: ['error', 'warn', 'upsert'],
        default: 'error',
        description: 'What to do when an UPDATE or DELETE of the source finds no row in the target.',
      },
    },
  },
  errors: { ...bulkErrors, ...applyErrors },
  create: async (options, context) => {
    const streamNamed = (name: string) =>
      createStreamSink({
        connection: options,
        pipeline: context.pipeline,
        name,
        options: { onMissing: options.on_missing ?? 'error', dependents: options.dependents ?? 'error' },
        context,
      });
    return new PostgresSink(options, context, streamNamed);
  },
  checkpoint: (options) => ({ plugin: 'postgres', options: connectionOf(options) }),
});

/** The checkpoint connects as the sink does. */
function connectionOf(options: PostgresSinkOptions): { readonly [key: string]: unknown } {
  const { url, sslmode, sslrootcert, sslcert, sslkey, channel_binding } = options;
  const keys = { url, sslmode, sslrootcert, sslcert, sslkey, channel_binding };
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== undefined));
}
