import { definePlugin, type SinkPlugin } from '../../core/api/plugin.ts';
import type { Detach } from './apply/detach-refusing.ts';
import { createLanes } from './lanes/lane-stream.ts';
import { connectionOf } from '../../core/postgres/connect.ts';
import { applyErrors } from './apply/errors.ts';
import { bulkErrors } from './errors.ts';
import { type PostgresSinkOptions, postgresSinkOptions } from './options.ts';
import { PostgresSink } from './sink.ts';

export const sinkPostgres: SinkPlugin<PostgresSinkOptions> = definePlugin<PostgresSinkOptions>({
  kind: 'sink',
  name: 'postgres',
  apiVersion: 1,
  summary: 'Another PostgreSQL: schema, copy, indexes, then changes exactly once.',
  options: postgresSinkOptions,
  errors: { ...bulkErrors, ...applyErrors },
  create: async (options, context) => {
    const streamNamed = (name: string, detach?: Detach) =>
      createLanes({
        // A copy beside the stream has one session.
        lanes: name === context.name ? options.apply.lanes : 1,
        by: options.apply.by,
        shared: context.shared === true,
        waitForStandbys: options.apply.wait_for_standbys,
        connection: options,
        pipeline: context.pipeline,
        name,
        options: { onMissing: options.on_missing, dependents: options.dependents },
        context,
        detach,
      });
    return new PostgresSink(options, context, streamNamed);
  },
  // The checkpoint connects as the sink does.
  checkpoint: (options) => ({ plugin: 'postgres', options: connectionOf(options) }),
  asSource: (given) => ({ plugin: 'postgres', ...connectionOf(given) }),
});
