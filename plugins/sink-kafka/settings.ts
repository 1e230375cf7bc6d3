import type { PluginContext } from '../../core/api/context.ts';
import type { DeadLetters } from '../../core/api/dead-letter.ts';
import { compilePattern } from '../../core/api/pattern.ts';
import type { Relation } from '../../core/postgres/relation.ts';
import type { Compression } from './client/producer.ts';
import { kafkaError } from './errors.ts';
import type { KafkaOptions } from './options.ts';
import { cloudEventsWrap, debeziumWrap, type SourceNames } from './records/envelope.ts';
import { envelopeFormat, flatFormat, type RelationFormat } from './records/format.ts';
import { releaseNumber, releases } from './records/releases.ts';
import { type RowEncoderOptions, rowEncoder } from './records/row.ts';
import type { BinaryMode } from './records/special.ts';
import type { Phase } from './records/time.ts';

/** The options with defaults filled in and what follows from them. */
export interface Settings {
  readonly pipeline: string;
  readonly names: SourceNames;
  readonly exactlyOnce: boolean;
  readonly transactionalId: string;
  readonly positionTopic: string;
  readonly transactionTimeout: number;
  readonly compression: Compression;
  readonly batchBytes: number;
  readonly tombstones: boolean;
  readonly truncate: 'emit' | 'skip' | 'error';
  readonly messages: boolean;
  readonly transactionMetadata: boolean;
  /** Of every record of a table. */
  readonly headers: Readonly<Record<string, string>> | null;
  /** Of all others. */
  readonly bareHeaders: Readonly<Record<string, string>> | null;
  /** Form of a logical message's content. */
  readonly binary: BinaryMode;
  readonly createTopics: boolean;
  readonly partitions: number | null;
  readonly replicationFactor: number | null;
  readonly topicConfig: Readonly<Record<string, string>>;
  /** Null where the file has no `dead_letter`: what cannot be delivered is an error. */
  readonly deadLetters: DeadLetters | null;
  /** A record too large for its topic may go to the dead letters. */
  readonly oversize: boolean;
  /** Topic of a relation; PGS5006 where the name is too long. */
  topicOf(relation: { readonly schema: string; readonly name: string }): string;
  /** Pure: the same relation gives the same form. Throws PGS5008 and PGS5009. */
  formatOf(relation: Relation, phase: Phase): RelationFormat;
}

export function settings(options: KafkaOptions, context: PluginContext): Settings {
  const { pipeline } = context;
  const exactlyOnce = options.delivery === 'exactly_once';
  const deadLetters = context.deadLetters ?? null;
  if (options.oversize === 'dead_letter' && deadLetters === null) {
    throw kafkaError('PGS5018', '`oversize: dead_letter` needs `dead_letter` at the top of the pipeline file');
  }
  const names: SourceNames = {
    server: pipeline,
    database: options.database ?? pipeline,
    version: options.source_version,
  };
  const template = options.topic;
  return {
    pipeline,
    names,
    exactlyOnce,
    transactionalId: options.transactional_id ?? `pgsluice.${pipeline}.${context.name}`,
    positionTopic: options.position_topic ?? topicName(`pgsluice.${pipeline}.position`),
    transactionTimeout: options.transaction_timeout,
    compression: options.compression,
    batchBytes: options.batch_size,
    tombstones: options.tombstones,
    truncate: options.truncate,
    messages: options.messages,
    transactionMetadata: options.transaction_metadata,
    headers: fixedHeaders(options, names),
    bareHeaders: Object.keys(options.headers).length === 0 ? null : options.headers,
    binary: options.binary,
    createTopics: options.create_topics,
    partitions: options.partitions ?? null,
    replicationFactor: options.replication_factor ?? null,
    topicConfig: Object.fromEntries(Object.entries(options.topic_config).map(([k, v]) => [k, String(v)])),
    deadLetters,
    oversize: deadLetters !== null && options.oversize !== 'error',
    topicOf: ({ schema, name }) =>
      topicName(
        template
          .replaceAll('{pipeline}', pipeline)
          .replaceAll('{schema}', () => schema)
          .replaceAll('{table}', () => name),
      ),
    formatOf: formats(options, names),
  };
}

/** Those that Debezium puts on records of tables since 3.2 (`extended.headers.enabled`), then those of the file. */
function fixedHeaders(options: KafkaOptions, names: SourceNames): Readonly<Record<string, string>> | null {
  const likeDebezium = options.format !== 'flat' && releaseNumber(names.version) >= releases.contextHeaders;
  const context = {
    '__debezium.context.connectorLogicalName': names.server,
    '__debezium.context.taskId': '0',
    '__debezium.context.connectorName': 'postgresql',
  };
  const all = { ...((options.extended_headers ?? likeDebezium) ? context : {}), ...options.headers };
  return Object.keys(all).length === 0 ? null : all;
}

function formats(options: KafkaOptions, names: SourceNames): (relation: Relation, phase: Phase) => RelationFormat {
  const form = options.format;
  const keys = Object.entries(options.key).map(([pattern, columns]) => ({
    matches: compilePattern(pattern),
    columns,
  }));
  const encoding: Omit<RowEncoderOptions, 'keyColumns' | 'phase'> = {
    decimal: options.decimal ?? (form === 'flat' ? 'string' : 'precise'),
    time: options.time,
    binary: options.binary,
    interval: options.interval,
    hstore: options.hstore,
    unknown: options.unknown_types,
    unavailable: options.unavailable_value,
    notFinite: options.not_finite ?? (form === 'flat' ? 'error' : 'null'),
    javaNames: form !== 'flat',
    version: releaseNumber(names.version),
    deleteBefore: options.delete_before,
  };
  const flat = { fields: options.fields, deletes: options.deletes } as const;
  return (relation, phase) => {
    const keyColumns = keys.find((key) => key.matches(relation))?.columns ?? null;
    const rows = rowEncoder(relation, { ...encoding, keyColumns, phase });
    if (form === 'flat') return flatFormat(rows, flat);
    return envelopeFormat(
      rows,
      form === 'cloudevents' ? cloudEventsWrap(relation, names) : debeziumWrap(relation, names),
    );
  };
}

/** Kafka takes letters, digits, `.`, `_` and `-`, 249 characters at most; others become `_`, as in Debezium. */
export function topicName(name: string): string {
  const clean = name.replace(/[^A-Za-z0-9._-]/g, '_');
  if (clean.length > 249 || clean === '' || clean === '.' || clean === '..') {
    throw kafkaError('PGS5006', `${clean.slice(0, 60)}… cannot be the name of a topic (249 characters at most)`);
  }
  return clean;
}
