import { resolve } from 'node:path';
import type { PluginContext } from '../../../core/api/context.ts';
import type { Upstream } from '../../../core/api/logs.ts';
import { definePlugin, type SourcePlugin } from '../../../core/api/plugin.ts';
import type { TablesOption } from '../../../core/api/schemas.ts';
import type { Source, SourceRelations } from '../../../core/api/source.ts';
import type { HandoffLsn } from '../../../core/postgres/lsn.ts';
import { security } from '../client/security.ts';
import { kafkaError } from '../errors.ts';
import { logName } from './claims.ts';
import { DebeziumEvents, debeziumRecords } from './debezium.ts';
import { JournalRecords } from './journal.ts';
import { type KafkaSourceOptions, kafkaSourceOptions } from './options.ts';
import { type Partition, Partitions } from './partitions.ts';
import { readRelations } from './relations.ts';
import { groupStream } from './group-stream.ts';
import { GroupPart, Membership } from './membership.ts';
import { logStream } from './stream.ts';

type Given = KafkaSourceOptions & { readonly tables?: TablesOption };

export const sourceKafka: SourcePlugin<KafkaSourceOptions> = definePlugin<KafkaSourceOptions>({
  kind: 'source',
  name: 'kafka',
  apiVersion: 1,
  summary: 'Apache Kafka: topics that Debezium, or the Kafka sink, wrote.',
  options: kafkaSourceOptions,
  create: (options, context) => create(options, context),
});

async function create(options: Given, context: PluginContext): Promise<Source> {
  const { brokers, topics, format, tables_from, tables = {}, decimal, time, binary, unavailable } = options;
  // Transactions of a journal are of one partition each, so it is read by partition.
  const group = options.group ?? (format === 'pgsluice' ? `pgsluice.${context.pipeline}` : null);
  const cluster = {
    brokers,
    clientId: `pgsluice.${context.pipeline}`,
    security: await security(options.ssl ?? false, options.sasl ?? null, context.directory),
    requestTimeout: options.request_timeout,
    connectTimeout: options.connect_timeout,
    log: context.log,
  };
  const partitions = new Partitions(cluster, topics, group ?? `pgsluice.${context.pipeline}`);
  let known: Promise<SourceRelations> | null = null;
  /** The same shapes for as long as the process runs; a table that is altered needs a new start. */
  const relations = () =>
    (known ??= readRelations(tables_from, context.name, tables).catch((error: unknown) => {
      known = null;
      throw error;
    }));
  /** Where the partitions ended when that was asked, by the sum of it. */
  const ends = new Map<bigint, readonly Partition[]>();
  const counter = { at: 0n };
  const { session_timeout: sessionTimeout } = options;
  const part =
    group === null ? null : new GroupPart(() => new Membership(cluster, { group, sessionTimeout }), sessionTimeout);
  return {
    ...(group === null ? {} : { shared: true as const }),
    ...(format === 'pgsluice' ? { upstream: upstream(partitions, options.reader, context) } : {}),
    async open() {
      const found = await partitions.discover();
      if (found.length === 0) throw kafkaError('PGS5005', `no topic matches ${topics.join(', ')}`);
      const end = found.reduce((sum, partition) => sum + partition.end, 0n);
      ends.set(end, found);
      const first = ends.keys().next().value;
      if (ends.size > 100 && first !== undefined) ends.delete(first);
      return { identity: group === null ? alone : together, begin: 0n as HandoffLsn, end };
    },
    relations,
    async stream(start, signal) {
      const chosen = await relations();
      const records =
        format === 'pgsluice'
          ? new JournalRecords(chosen)
          : debeziumRecords(new DebeziumEvents(chosen, { decimal, time, binary }, unavailable));
      const bounds = start.until === null ? null : (ends.get(start.until) ?? null);
      if (part === null) return logStream({ partitions, records, start, bounds, signal });
      return groupStream({ partitions, part, records, start, bounds, counter, signal });
    },
    async [Symbol.asyncDispose]() {
      await part?.leave();
      await partitions.close();
    },
  };
}

function upstream(partitions: Partitions, reader: string | undefined, { directory }: PluginContext): Upstream {
  return {
    file: reader === undefined ? null : resolve(directory, reader),
    async ends() {
      const found = await partitions.written();
      return new Map(found.map((of) => [logName(of), { of: of.topicId, start: of.start, end: of.end }]));
    },
  };
}

/** Which records were read is known by the ids of the topics, which are among the offsets; the choice of topics may grow. */
const alone = { systemId: 'kafka', database: 'kafka', timeline: 0, version: 0 };
/** Positions are kept in another way: a pipeline stays with one or the other. */
const together = { ...alone, systemId: 'kafka group' };
