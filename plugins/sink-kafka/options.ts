import {
  Choice,
  Duration,
  Expression,
  List,
  Mapping,
  Options,
  Size,
  type Static,
  Text,
  Type,
} from '../../core/base/options.ts';
import { eventRouterOptions } from './event-router/options.ts';

const kept = {
  effect: 'refused',
  remedy: 'The position is kept under the old name: restore it, or start over (cleanup).',
} as const;
const flag = (description: string, otherwise: boolean) => Type.Boolean({ default: otherwise, description });
const count = (description: string) => Type.Optional(Type.Integer({ minimum: 1, description }));

const ssl = Options(
  {
    ca: Type.Optional(Text({ description: 'Certificates of the authorities.' })),
    cert: Type.Optional(Text({ description: 'Certificate of the client.' })),
    key: Type.Optional(Text({ description: 'Key of the client.' })),
    passphrase: Type.Optional(Text({ description: 'Passphrase of the key.', secret: true })),
    servername: Type.Optional(Text({ description: 'Name that the certificate bears, where it is not the host’s.' })),
  },
  { description: 'PEM files; relative paths start at the pipeline file.' },
);
export type SslOptions = Static<typeof ssl>;

const sasl = Options(
  {
    mechanism: Choice(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'], { description: 'SASL mechanism.' }),
    username: Type.Optional(Text({ description: 'User.' })),
    password: Type.Optional(Text({ description: 'Password.', secret: true })),
    token: Type.Optional(Text({ description: 'oauthbearer: the token.', secret: true })),
    token_file: Type.Optional(
      Text({ description: 'oauthbearer: a file that holds the token, read for each connection.' }),
    ),
    token_url: Type.Optional(
      Text({ description: 'oauthbearer: token endpoint (client credentials grant).', secret: true }),
    ),
    client_id: Type.Optional(Text({ description: 'oauthbearer: client id for token_url.' })),
    client_secret: Type.Optional(Text({ description: 'oauthbearer: client secret for token_url.', secret: true })),
    scope: Type.Optional(Text({ description: 'oauthbearer: scope for token_url.' })),
  },
  { description: 'Authentication.' },
);
export type SaslOptions = Static<typeof sasl>;

const registry = Options(
  {
    url: Text({ description: 'Address of Confluent’s API, with its path if it has one; several separated by commas.' }),
    subject_name: Choice(['TopicName', 'RecordName', 'TopicRecordName'], {
      default: 'TopicName',
      description: 'Strategy by which subjects are named, of keys and of values.',
    }),
    auto_register: flag('Register new schemas; else they must be there (PGS5044).', true),
    username: Type.Optional(Text({ description: 'User, for basic authentication.' })),
    password: Type.Optional(Text({ description: 'Password.', secret: true })),
    token: Type.Optional(Text({ description: 'Bearer token.', secret: true })),
    token_file: Type.Optional(Text({ description: 'A file that holds the bearer token, read for each request.' })),
    ssl: Type.Optional(
      Type.Union([Type.Boolean(), ssl], { description: 'TLS of https addresses; certificates are always verified.' }),
    ),
  },
  { description: 'Schema registry with Confluent’s API, for avro and protobuf.' },
);
export type RegistryFileOptions = Static<typeof registry>;

const serializations = ['json', 'json_schema', 'avro', 'protobuf'] as const;

/** How the brokers are reached, by sink and source. */
export const access = {
  brokers: List(Text({}), { minItems: 1, description: 'host:port of some of the brokers.' }),
  ssl: Type.Optional(Type.Union([Type.Boolean(), ssl], { description: 'TLS; certificates are always verified.' })),
  sasl: Type.Optional(sasl),
};

const connectionOptions = {
  brokers: access.brokers,
  client: Choice(['platformatic', 'kafkajs'], {
    default: 'platformatic',
    description: 'Client library; docs/kafka.md has the figures.',
  }),
  delivery: Choice(['at_least_once', 'exactly_once'], {
    default: 'at_least_once',
    description: 'exactly_once: records and position in one Kafka transaction.',
  }),
  transactional_id: Type.Optional(
    Text({ description: 'Transactional id; default: pgsluice.{pipeline}.{sink}.', change: kept }),
  ),
  position_topic: Type.Optional(
    Text({ description: 'Compacted topic of the position; default: pgsluice.{pipeline}.position.', change: kept }),
  ),
  transaction_timeout: Duration({
    default: '15m',
    description: 'Longest time that a Kafka transaction may be open.',
  }),
  compression: Choice(['none', 'gzip', 'snappy', 'lz4', 'zstd'], {
    default: 'none',
    description: 'Compression of record batches.',
  }),
  batch_size: Size({ default: '512KB', description: 'Bytes of a record batch before compression.' }),
  request_timeout: Duration({ default: '30s', description: 'Longest wait for an answer of a broker.' }),
  connect_timeout: Duration({ default: '10s', description: 'Longest wait for a connection.' }),
  ssl: access.ssl,
  sasl: access.sasl,
};

const byExpression = Options({
  expr: Expression({ description: 'A SQL expression over the columns of the table.' }),
});
const oneTopic = Type.Union([Text({}), byExpression]);
const columns = List(Text({}), { minItems: 1 });
const headerTables = {
  tables: Type.Optional(Type.Union([Text({}), columns], { description: 'Table patterns; default: all tables.' })),
};

/** Named after the options of Debezium's ByLogicalTableRouter. */
const logicalTable = Options({
  topic_regex: Text({ description: 'Matched against the whole name of a table’s topic.' }),
  topic_replacement: Text({ description: 'The topic instead; $1 or ${name} stand for groups of the expression.' }),
  key_enforce_uniqueness: flag('Add a member to the key that tells the tables apart.', true),
  key_field_name: Text({ default: '__dbz__physicalTableIdentifier', description: 'Name of that member.' }),
  key_field_regex: Type.Optional(
    Text({ description: 'Matched against the name of the table’s own topic, for the value of that member.' }),
  ),
  key_field_replacement: Type.Optional(Text({ description: 'The value; default: the name of the table’s own topic.' })),
});

const topicOptions = {
  topic_prefix: Type.Optional(
    Text({
      description:
        'Name for records in the place of the pipeline’s, as Debezium’s topic.prefix: {pipeline} in `topic`, `name` in the source block, names of schemas, the topics .transaction and .message.',
    }),
  ),
  topic: Type.Union(
    [Text({}), byExpression, Mapping(oneTopic, { minProperties: 1, propertyNames: { pattern: '[.*?]' } })],
    {
      default: '{pipeline}.{schema}.{table}',
      description:
        'Topic per table; {pipeline}, {schema} and {table} are replaced. { expr: SQL } chooses it by row. Either may be given by table pattern, of which the first that matches counts: { public.orders: { expr: "..." } }. Patterns name the schema, too.',
    },
  ),
  logical_tables: List(logicalTable, {
    default: [],
    description:
      'Topics that stand for several tables, as Debezium’s ByLogicalTableRouter makes them; the first that matches counts. Not for topics by expression.',
  }),
  partition_by: Type.Optional(
    Type.Union([columns, Mapping(columns, { minProperties: 1 })], {
      description:
        'Columns that choose the partition in the place of the key, for all tables or by table pattern: the partition is that of a record whose key they are.',
    }),
  ),
  create_topics: flag('Make topics that are missing.', true),
  partitions: count('Partitions of topics that are made; default: the broker’s.'),
  replication_factor: count('Replication factor of topics that are made; default: the broker’s.'),
  topic_config: Mapping(Type.Unsafe<string | number | boolean>({ type: ['string', 'number', 'boolean'] }), {
    default: {},
    description: 'Settings of topics that are made, such as cleanup.policy.',
  }),
  signals: Type.Optional(
    Options(
      {
        table: Type.Optional(
          Text({
            description:
              'Table of the source (schema.table) with the columns id, type and data, whose new rows are signals.',
          }),
        ),
        topic: Type.Optional(
          Text({
            description: 'Topic of one partition whose records are signals: key {pipeline}, value { type, data }.',
          }),
        ),
      },
      {
        description:
          'Signals in Debezium’s form: execute-snapshot, stop-snapshot, pause-snapshot, resume-snapshot, log (docs/kafka.md).',
        change: { effect: 'now' },
      },
    ),
  ),
  oversize: Type.Optional(
    Choice(['error', 'dead_letter'], {
      description:
        'A record larger than its topic takes: stop, or leave it to the dead letters of the pipeline (default where the file has `dead_letter`).',
    }),
  ),
};

/** How values are written. */
const valueOptions = {
  decimal: Type.Optional(
    Choice(['precise', 'double', 'string'], {
      description: 'numeric as base64 of the unscaled value, as a number, or as text; default: precise (flat: string).',
    }),
  ),
  not_finite: Type.Optional(
    Choice(['null', 'error'], {
      description:
        'NaN and the infinities of numeric under `decimal: precise`: null where the column allows it (as Debezium writes them; default but with format: flat), or an error.',
    }),
  ),
  time: Choice(
    ['adaptive', 'adaptive_time_microseconds', 'connect', 'isostring', 'microseconds', 'nanoseconds', 'structured'],
    {
      default: 'adaptive',
      description:
        'Unit or form of date, time and timestamp; `structured`: of types with a zone and of intervals, too.',
    },
  ),
  binary: Choice(['bytes', 'base64', 'base64-url-safe', 'hex'], { default: 'bytes', description: 'Form of bytea.' }),
  interval: Choice(['numeric', 'string'], {
    default: 'numeric',
    description: 'interval in microseconds, or as an ISO-8601 period.',
  }),
  hstore: Choice(['json', 'map'], {
    default: 'json',
    description: 'hstore as a string that holds JSON, or as an object.',
  }),
  unknown_types: Choice(['text', 'omit', 'error'], {
    default: 'text',
    description: 'Columns of types without a mapping: their text, left out (as Debezium does), or an error.',
  }),
  unavailable_value: Text({
    default: '__debezium_unavailable_value',
    description: 'What stands for a large value that did not change and was not sent.',
  }),
  delete_before: Choice(['debezium', 'nulls'], {
    default: 'debezium',
    description:
      'NOT NULL columns outside the key in a delete’s `before`: a fallback value as Debezium writes it, or null.',
  }),
};

const recordOptions = {
  format: Choice(['debezium', 'flat', 'cloudevents', 'outbox', 'pgsluice'], {
    default: 'debezium',
    description:
      'Form of the records; outbox: the rows of outbox tables are events (docs/kafka-outbox.md); pgsluice: a journal for `source: { plugin: kafka, format: pgsluice }` that loses nothing, in one topic (default {pipeline}.journal), always exactly once.',
  }),
  key_format: Choice(serializations, { default: 'json', description: 'Serialization of keys; see `value_format`.' }),
  value_format: Choice(serializations, {
    default: 'json',
    description:
      'Serialization of values: JSON; json_schema, JSON with `schema` and `payload` as Kafka Connect’s JsonConverter writes it with schemas.enable=true; avro and protobuf, with `registry`.',
  }),
  registry: Type.Optional(registry),
  database: Type.Optional(
    Text({ description: 'Name of the source database in the source block; default: the pipeline’s name.' }),
  ),
  source_version: Text({
    default: '3.7.0.Final',
    description: '`version` in the source block: the Debezium release whose form is followed.',
  }),
  ...valueOptions,
  tombstones: flag('A record without value after each delete, for compacted topics.', true),
  truncate: Choice(['emit', 'skip', 'error'], {
    default: 'emit',
    description: 'TRUNCATE as a record with op t, not at all (Debezium’s default), or an error.',
  }),
  messages: flag('Logical messages (pg_logical_emit_message) to the topic {pipeline}.message.', false),
  transaction_metadata: flag(
    'A transaction block in each record, and BEGIN and END records in {pipeline}.transaction.',
    false,
  ),
  fields: List(Choice(['op', 'schema', 'table', 'lsn', 'source_ts_ms', 'tx_id', 'deleted'], {}), {
    uniqueItems: true,
    default: [],
    description: 'format: flat: members __op, __table … added to the row.',
  }),
  deletes: Choice(['tombstone', 'rewrite'], {
    default: 'tombstone',
    description: 'format: flat: a delete is a record without value, or the old row with "__deleted":"true".',
  }),
  key: Mapping(Type.Union([columns, byExpression]), {
    default: {},
    description:
      'Key by table pattern, in place of the replica identity’s columns: { public.orders: [customer_id] }, or { public.orders: { expr: SQL } } for a single value.',
  }),
  extended_headers: Type.Optional(
    Type.Boolean({
      description:
        'Headers __debezium.context.connectorLogicalName, taskId and connectorName on every record of a table; default: but with format: flat, and from a source_version of 3.2 on, as Debezium does.',
    }),
  ),
  headers: Mapping(
    Type.Union([
      Type.String(),
      Options({ column: Text({ description: 'A column; NULL: no header.' }), ...headerTables }),
      Options({
        expr: Expression({ description: 'A SQL expression over the row; NULL: no header.' }),
        ...headerTables,
      }),
    ]),
    {
      default: {},
      description:
        'Headers: text for every record; { column: name } or { expr: SQL } for the records of rows, with `tables` for those of some tables.',
    },
  ),
};

/** Keys of a `plugin: kafka` of `sinks:` in the pipeline file. */
export const kafkaOptions = Options({
  ...connectionOptions,
  ...topicOptions,
  ...recordOptions,
  outbox: eventRouterOptions,
});
/** Sizes in bytes and durations in milliseconds. */
export type KafkaOptions = Static<typeof kafkaOptions>;
