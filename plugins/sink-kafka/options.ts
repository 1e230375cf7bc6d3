import type { JsonSchema } from '../../core/base/json-schema.ts';
import type { SaslOptions, SslOptions } from './client/security.ts';
import type { Compression } from './client/producer.ts';
import type { DecimalMode } from './records/decimal.ts';
import type { FlatField } from './records/format.ts';
import type { BinaryMode } from './records/special.ts';
import type { TimeMode } from './records/time.ts';

/** The sink's keys in the pipeline file; sizes are bytes and durations milliseconds by the time they are here. */
export interface KafkaOptions {
  readonly brokers: readonly string[];
  readonly topic?: string;
  readonly format?: 'debezium' | 'flat' | 'cloudevents';
  readonly client?: 'kafkajs' | 'platformatic';
  readonly delivery?: 'at_least_once' | 'exactly_once';
  readonly transactional_id?: string;
  readonly position_topic?: string;
  readonly transaction_timeout?: number;
  readonly database?: string;
  readonly source_version?: string;
  readonly decimal?: DecimalMode;
  readonly time?: TimeMode;
  readonly binary?: BinaryMode;
  readonly interval?: 'numeric' | 'string';
  readonly hstore?: 'json' | 'map';
  readonly not_finite?: 'null' | 'error';
  readonly unknown_types?: 'text' | 'omit' | 'error';
  readonly unavailable_value?: string;
  readonly delete_before?: 'debezium' | 'nulls';
  readonly tombstones?: boolean;
  readonly truncate?: 'emit' | 'skip' | 'error';
  readonly messages?: boolean;
  readonly transaction_metadata?: boolean;
  readonly fields?: readonly FlatField[];
  readonly deletes?: 'tombstone' | 'rewrite';
  readonly key?: Readonly<Record<string, readonly string[]>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly extended_headers?: boolean;
  readonly create_topics?: boolean;
  readonly partitions?: number;
  readonly replication_factor?: number;
  readonly topic_config?: Readonly<Record<string, string | number | boolean>>;
  readonly compression?: Compression;
  readonly batch_size?: number;
  readonly request_timeout?: number;
  readonly connect_timeout?: number;
  readonly oversize?: 'error' | 'dead_letter';
  readonly ssl?: boolean | SslOptions;
  readonly sasl?: SaslOptions;
}

const text = (description: string, more: JsonSchema = {}): JsonSchema => ({
  type: 'string',
  minLength: 1,
  description,
  ...more,
});
const flag = (description: string, otherwise: boolean): JsonSchema => ({
  type: 'boolean',
  description,
  default: otherwise,
});
const choice = (description: string, values: readonly string[], otherwise?: string): JsonSchema => ({
  enum: values,
  description,
  ...(otherwise === undefined ? {} : { default: otherwise }),
});
const object = (
  description: string,
  properties: { readonly [key: string]: JsonSchema },
  required: readonly string[] = [],
) => ({
  type: 'object',
  additionalProperties: false,
  description,
  properties,
  required,
});

const recordOptions: { readonly [key: string]: JsonSchema } = {
  format: choice('Form of the records.', ['debezium', 'flat', 'cloudevents'], 'debezium'),
  database: text('Name of the source database in the source block; default: the pipeline’s name.'),
  source_version: text('`version` in the source block: the Debezium release whose form is followed.'),
  decimal: choice(
    'numeric as base64 of the unscaled value, as a number, or as text; default: precise (flat: string).',
    ['precise', 'double', 'string'],
  ),
  not_finite: choice(
    'NaN and the infinities of numeric under `decimal: precise`: null where the column allows it (as Debezium writes them; default but with format: flat), or an error.',
    ['null', 'error'],
  ),
  time: choice(
    'Unit of date, time and timestamp.',
    ['adaptive', 'adaptive_time_microseconds', 'connect', 'isostring', 'microseconds', 'nanoseconds'],
    'adaptive',
  ),
  binary: choice('Form of bytea.', ['bytes', 'base64', 'base64-url-safe', 'hex'], 'bytes'),
  interval: choice('interval in microseconds, or as an ISO-8601 period.', ['numeric', 'string'], 'numeric'),
  hstore: choice('hstore as a string that holds JSON, or as an object.', ['json', 'map'], 'json'),
  unknown_types: choice(
    'Columns of types without a mapping: their text, left out (as Debezium does), or an error.',
    ['text', 'omit', 'error'],
    'text',
  ),
  unavailable_value: text('What stands for a large value that did not change and was not sent.', {
    default: '__debezium_unavailable_value',
  }),
  delete_before: choice(
    'NOT NULL columns outside the key in a delete’s `before`: a fallback value as Debezium writes it, or null.',
    ['debezium', 'nulls'],
    'debezium',
  ),
  tombstones: flag('A record without value after each delete, for compacted topics.', true),
  truncate: choice(
    'TRUNCATE as a record with op t, not at all (Debezium’s default), or an error.',
    ['emit', 'skip', 'error'],
    'emit',
  ),
  messages: flag('Logical messages (pg_logical_emit_message) to the topic {pipeline}.message.', false),
  transaction_metadata: flag(
    'A transaction block in each record, and BEGIN and END records in {pipeline}.transaction.',
    false,
  ),
  fields: {
    type: 'array',
    uniqueItems: true,
    items: { enum: ['op', 'schema', 'table', 'lsn', 'source_ts_ms', 'tx_id', 'deleted'] },
    description: 'format: flat: members __op, __table … added to the row.',
    default: [],
  },
  deletes: choice(
    'format: flat: a delete is a record without value, or the old row with "__deleted":"true".',
    ['tombstone', 'rewrite'],
    'tombstone',
  ),
  key: {
    type: 'object',
    additionalProperties: { type: 'array', minItems: 1, items: { type: 'string' } },
    description: 'Key columns by table pattern, in place of the replica identity’s: { public.orders: [customer_id] }.',
  },
  extended_headers: {
    type: 'boolean',
    description:
      'Headers __debezium.context.connectorLogicalName, taskId and connectorName on every record of a table; default: but with format: flat, and from a source_version of 3 on, as Debezium does.',
  },
  headers: { type: 'object', additionalProperties: { type: 'string' }, description: 'Headers for every record.' },
};

const topicOptions: { readonly [key: string]: JsonSchema } = {
  topic: text('Topic per table; {pipeline}, {schema} and {table} are replaced.', {
    default: '{pipeline}.{schema}.{table}',
  }),
  create_topics: flag('Make topics that are missing.', true),
  partitions: {
    type: 'integer',
    minimum: 1,
    description: 'Partitions of topics that are made; default: the broker’s.',
  },
  replication_factor: {
    type: 'integer',
    minimum: 1,
    description: 'Replication factor of topics that are made; default: the broker’s.',
  },
  topic_config: {
    type: 'object',
    additionalProperties: { type: ['string', 'number', 'boolean'] },
    description: 'Settings of topics that are made, such as cleanup.policy.',
  },
  oversize: choice(
    'A record larger than its topic takes: stop, or leave it to the dead letters of the pipeline (default where the file has `dead_letter`).',
    ['error', 'dead_letter'],
  ),
};

const connectionOptions: { readonly [key: string]: JsonSchema } = {
  brokers: {
    type: 'array',
    minItems: 1,
    items: { type: 'string', minLength: 1 },
    description: 'host:port of some of the brokers.',
  },
  client: choice('Client library.', ['platformatic', 'kafkajs'], 'platformatic'),
  delivery: choice(
    'exactly_once: records and position in one Kafka transaction.',
    ['at_least_once', 'exactly_once'],
    'at_least_once',
  ),
  transactional_id: text('Transactional id; default: pgsluice.{pipeline}.{sink}.'),
  position_topic: text('Compacted topic of the position; default: pgsluice.{pipeline}.position.'),
  transaction_timeout: {
    type: 'string',
    format: 'duration',
    default: '15m',
    description: 'Longest time that a Kafka transaction may be open.',
  },
  compression: choice('Compression of record batches.', ['none', 'gzip', 'snappy', 'lz4', 'zstd'], 'none'),
  batch_size: {
    type: 'string',
    format: 'size',
    default: '512KB',
    description: 'Bytes of a record batch before compression.',
  },
  request_timeout: {
    type: 'string',
    format: 'duration',
    default: '30s',
    description: 'Longest wait for an answer of a broker.',
  },
  connect_timeout: {
    type: 'string',
    format: 'duration',
    default: '10s',
    description: 'Longest wait for a connection.',
  },
  ssl: {
    description: 'TLS; certificates are always verified.',
    anyOf: [
      { type: 'boolean' },
      object('PEM files.', {
        ca: text('Certificates of the authorities.'),
        cert: text('Certificate of the client.'),
        key: text('Key of the client.'),
        passphrase: text('Passphrase of the key.', { secret: true }),
        servername: text('Name that the certificate bears.'),
      }),
    ],
  },
  sasl: object(
    'Authentication.',
    {
      mechanism: choice('SASL mechanism.', ['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer']),
      username: text('User.'),
      password: text('Password.', { secret: true }),
      token: text('oauthbearer: the token.', { secret: true }),
      token_file: text('oauthbearer: a file that holds the token, read for each connection.'),
      token_url: text('oauthbearer: token endpoint (client credentials grant).', { secret: true }),
      client_id: text('oauthbearer: client id for token_url.'),
      client_secret: text('oauthbearer: client secret for token_url.', { secret: true }),
      scope: text('oauthbearer: scope for token_url.'),
    },
    ['mechanism'],
  ),
};

export const kafkaOptionsSchema: JsonSchema = object(
  'Kafka sink',
  { ...connectionOptions, ...topicOptions, ...recordOptions },
  ['brokers'],
);
