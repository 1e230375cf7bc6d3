import type { PluginContext } from '../../core/api/context.ts';
import type { RowExpressions } from '../../core/api/expressions.ts';
import type { DeadLetters } from '../../core/api/dead-letter.ts';
import { compilePattern } from '../../core/api/pattern.ts';
import { type Relation, relationName } from '../../core/postgres/relation.ts';
import type { Compression } from './client/producer.ts';
import { kafkaError } from './errors.ts';
import type { KafkaOptions } from './options.ts';
import { cloudEventsWrap, debeziumWrap, type SourceNames } from './records/envelope.ts';
import { envelopeFormat, flatFormat, type RelationFormat } from './records/format.ts';
import { releaseNumber, releases } from './records/releases.ts';
import { type RowEncoder, type RowEncoderOptions, rowEncoder } from './records/row.ts';
import type { BinaryMode } from './records/special.ts';
import type { Headers } from './records/events.ts';
import type { Phase } from './records/time.ts';
import { type ColumnType, columnType, type TypeModes } from './records/types.ts';
import { EventDelivery } from './event-router/delivery.ts';
import { type ByRow, byRow, inOldRow, parsed } from './routing/by-row.ts';
import { keyedBy } from './routing/key.ts';
import { Codecs } from './schemas/codecs.ts';
import { Registry } from './schemas/registry.ts';
import { envelopeSchema, keySchema, type RowSchemas, rowSchema } from './schemas/record-schemas.ts';
import {
  defaultTopic,
  escapePointer,
  isExpression,
  type TopicRule,
  type TopicRules,
  topicName,
  topicRules,
} from './routing/topics.ts';

/** The options with defaults filled in and what follows from them. */
export interface Settings {
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
  /** `format: pgsluice`; else null. */
  readonly journal: { readonly topic: string } | null;
  /** Null where the file has no `dead_letter`: what cannot be delivered is an error. */
  readonly deadLetters: DeadLetters | null;
  /** A record too large for its topic may go to the dead letters. */
  readonly oversize: boolean;
  topicRule(relation: { readonly schema: string; readonly name: string }): TopicRule;
  /** Topic of a relation, null where it is chosen by row; PGS5006 where the name is too long. */
  topicOf(relation: { readonly schema: string; readonly name: string }): string | null;
  /** Where signals come from; null: nowhere. */
  readonly signals: { readonly table: string | null; readonly topic: string | null } | null;
  /** `format: outbox`; else null. */
  readonly events: EventDelivery | null;
  /** What the rows of a relation choose themselves. Throws PGS5060, PGS5063 and what the parser of expressions says. */
  byRow(relation: Relation): ByRow | null;
  readonly codecs: Codecs;
  /** Pure: the same relation gives the same form. Throws PGS5008 and PGS5009. */
  formatOf(relation: Relation, phase: Phase): RelationFormat;
}

export function settings(
  options: KafkaOptions,
  context: PluginContext,
  expressions: RowExpressions | null = null,
): Settings {
  const { pipeline } = context;
  const prefix = options.topic_prefix ?? pipeline;
  const journal = journalOf(options, prefix);
  const exactlyOnce = journal !== null || options.delivery === 'exactly_once';
  const deadLetters = context.deadLetters ?? null;
  if (options.oversize === 'dead_letter' && deadLetters === null) {
    throw kafkaError('PGS5018', '`oversize: dead_letter` needs `dead_letter` at the top of the pipeline file');
  }
  if (
    ['cloudevents', 'outbox', 'pgsluice'].includes(options.format) &&
    !(options.key_format === 'json' && options.value_format === 'json')
  ) {
    throw kafkaError('PGS5018', `\`format: ${options.format}\` is written without schemas only`, {
      remedy: 'Leave out `key_format` and `value_format`, or use `format: debezium` or `flat`.',
    });
  }
  const positionTopic = options.position_topic ?? topicName(`pgsluice.${pipeline}.position`);
  const fixed = fixedTexts(options.headers);
  const reserved = new Set([positionTopic, topicName(`${prefix}.transaction`)]);
  const rules = topicRules(options, prefix);
  const names: SourceNames = {
    server: prefix,
    database: options.database ?? pipeline,
    version: options.source_version,
  };
  return {
    names,
    exactlyOnce,
    transactionalId: options.transactional_id ?? `pgsluice.${pipeline}.${context.name}`,
    positionTopic,
    transactionTimeout: options.transaction_timeout,
    compression: options.compression,
    batchBytes: options.batch_size,
    tombstones: options.tombstones,
    truncate: options.truncate,
    messages: options.messages,
    transactionMetadata: options.transaction_metadata,
    headers: fixedHeaders(options, { names, fixed }),
    bareHeaders: Object.keys(fixed).length === 0 ? null : fixed,
    binary: options.binary,
    createTopics: options.create_topics,
    partitions: options.partitions ?? null,
    replicationFactor: options.replication_factor ?? null,
    topicConfig: Object.fromEntries(Object.entries(options.topic_config).map(([k, v]) => [k, String(v)])),
    journal,
    deadLetters,
    oversize: deadLetters !== null && options.oversize !== 'error',
    signals: signalsOf(options),
    events: eventsOf(options, { context, reserved, deadLetters }),
    ...routing({ options, rules, reserved, expressions }),
    codecs: codecs(options, context),
    formatOf: formats(options, { names, rules, expressions }),
  };
}

/** One topic for all tables. */
function journalOf({ format, topic, partition_by, signals }: KafkaOptions, prefix: string): Settings['journal'] {
  if (format !== 'pgsluice') return null;
  const refused = (what: string) => kafkaError('PGS5018', `\`${what}\` has no meaning in \`format: pgsluice\``);
  if (partition_by !== undefined) throw refused('partition_by');
  if (signals !== undefined) throw refused('signals');
  if (topic === defaultTopic) return { topic: topicName(`${prefix}.journal`) };
  if (typeof topic === 'string' && !/\{(schema|table)\}/.test(topic)) {
    return { topic: topicName(topic.replaceAll('{pipeline}', prefix)) };
  }
  throw kafkaError('PGS5018', '`format: pgsluice` has one topic for all tables', {
    remedy: 'Leave out `topic`, or give one name without {schema} and {table}.',
  });
}

function codecs(options: KafkaOptions, { directory }: PluginContext): Codecs {
  const { registry, request_timeout: timeout, key_format: key, value_format: value } = options;
  return new Codecs({ key, value }, registry === undefined ? null : new Registry(registry, { directory, timeout }));
}

function signalsOf({ signals, format }: KafkaOptions): Settings['signals'] {
  if (signals === undefined || (signals.table === undefined && signals.topic === undefined)) return null;
  if (format === 'outbox') throw kafkaError('PGS5018', '`signals` have no meaning in `format: outbox`');
  const table = signals.table ?? null;
  return { table: table === null || table.includes('.') ? table : `public.${table}`, topic: signals.topic ?? null };
}

function eventsOf(
  options: KafkaOptions,
  of: {
    readonly context: PluginContext;
    readonly reserved: ReadonlySet<string>;
    readonly deadLetters: DeadLetters | null;
  },
): EventDelivery | null {
  const { context, reserved, deadLetters } = of;
  if (options.format !== 'outbox') {
    if (options.outbox.message_prefix_include_list.length === 0) return null;
    throw kafkaError('PGS5018', '`outbox: { message_prefix_include_list }` needs `format: outbox`');
  }
  if (options.transaction_metadata) {
    throw kafkaError('PGS5018', '`transaction_metadata` has no form in `format: outbox`');
  }
  const modes: TypeModes = { ...encodingOf(options), phase: 'stream' };
  const oversize = deadLetters !== null && options.oversize !== 'error';
  return new EventDelivery({ options: options.outbox, modes, deadLetters, oversize, reserved, log: context.log });
}

function routing(of: {
  readonly options: KafkaOptions;
  readonly rules: TopicRules;
  readonly reserved: ReadonlySet<string>;
  readonly expressions: RowExpressions | null;
}): Pick<Settings, 'topicRule' | 'topicOf' | 'byRow'> {
  const { options, rules, reserved, expressions } = of;
  const encoding = encodingOf(options);
  const parts = {
    options,
    expressions,
    reserved,
    jsonOf: (relation: Relation, keyColumns: readonly string[]) =>
      rowEncoder(relation, { ...encoding, keyColumns, keyMember: null, phase: 'stream' }).keyOf,
  };
  return {
    topicRule: rules,
    topicOf: (relation) => {
      const rule = rules(relation);
      return rule.kind === 'name' ? rule.name : null;
    },
    byRow: (relation) => byRow(relation, rules(relation), parts),
  };
}

/** Headers of every record; the others come from rows. */
function fixedTexts(headers: KafkaOptions['headers']): Headers {
  const texts = Object.entries(headers).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return Object.fromEntries(texts);
}

/** Those that Debezium puts on records of tables since 3.2 (`extended.headers.enabled`), then those of the file. */
function fixedHeaders(
  options: KafkaOptions,
  { names, fixed }: { readonly names: SourceNames; readonly fixed: Headers },
): Headers | null {
  const likeDebezium = options.format !== 'flat' && releaseNumber(names.version) >= releases.contextHeaders;
  const context = {
    '__debezium.context.connectorLogicalName': names.server,
    '__debezium.context.taskId': '0',
    '__debezium.context.connectorName': 'postgresql',
  };
  const all = { ...((options.extended_headers ?? likeDebezium) ? context : {}), ...fixed };
  return Object.keys(all).length === 0 ? null : all;
}

function encodingOf(options: KafkaOptions): Omit<RowEncoderOptions, 'keyColumns' | 'keyMember' | 'phase'> {
  const { format: form } = options;
  return {
    decimal: options.decimal ?? (form === 'flat' ? 'string' : 'precise'),
    time: options.time,
    binary: options.binary,
    interval: options.interval,
    hstore: options.hstore,
    unknown: options.unknown_types,
    unavailable: options.unavailable_value,
    notFinite: options.not_finite ?? (form === 'flat' ? 'error' : 'null'),
    javaNames: form !== 'flat',
    version: releaseNumber(options.source_version),
    deleteBefore: options.delete_before,
  };
}

interface FormatParts {
  readonly names: SourceNames;
  readonly rules: TopicRules;
  readonly expressions: RowExpressions | null;
}

function formats(options: KafkaOptions, parts: FormatParts): (relation: Relation, phase: Phase) => RelationFormat {
  const { names, rules } = parts;
  const form = options.format;
  const keys = Object.entries(options.key).map(([pattern, by]) => ({ matches: compilePattern(pattern), pattern, by }));
  const encoding = encodingOf(options);
  const flat = { fields: options.fields, deletes: options.deletes } as const;
  return (relation, phase) => {
    const key = keys.find(({ matches }) => matches(relation));
    const columns = key === undefined || isExpression(key.by) ? null : key.by;
    const rule = rules(relation);
    const keyMember = rule.kind === 'name' ? rule.keyMember : null;
    const rows = rowEncoder(relation, { ...encoding, keyColumns: columns, keyMember, phase });
    // Not of the topic, which may be any, unless several tables are one: consumers know their classes by these.
    const prefix =
      rule.kind === 'name' && rule.logical ? rule.name : topicName(`${names.server}.${relationName(relation)}`);
    const schemas = { key: keySchema(prefix, rows.keyColumns, keyMember), value: rowSchema(prefix, rows.columns) };
    const format =
      form === 'flat'
        ? flatFormat(rows, flat, schemas)
        : enveloped(form === 'cloudevents' ? form : 'debezium', { rows, schemas, names });
    if (key === undefined || !isExpression(key.by)) return format;
    const option = `/key/${escapePointer(key.pattern)}/expr`;
    const by = parsed(key.by.expr, relation, { option, parts });
    inOldRow(relation, by.reads, 'key');
    const type = columnType(by.column, { ...encoding, unknown: 'text', phase }) as ColumnType;
    return keyedBy(format, by, { sql: key.by.expr, type });
  };
}

function enveloped(
  form: 'debezium' | 'cloudevents',
  by: { readonly rows: RowEncoder; readonly schemas: RowSchemas; readonly names: SourceNames },
): RelationFormat {
  const { rows, names } = by;
  if (form === 'cloudevents') return envelopeFormat(rows, cloudEventsWrap(rows.relation, names), null);
  const { name = '' } = by.schemas.value;
  const value = envelopeSchema(name.replace(/Value$/, 'Envelope'), by.schemas.value, names.version);
  return envelopeFormat(rows, debeziumWrap(rows.relation, names), { key: by.schemas.key, value });
}
