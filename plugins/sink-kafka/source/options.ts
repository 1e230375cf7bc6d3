import { Choice, Duration, List, Options, type Static, Text, Type } from '../../../core/base/options.ts';
import { access } from '../options.ts';

export const kafkaSourceOptions = Options({
  brokers: access.brokers,
  topics: List(Text({ description: 'A topic, or a glob: * is any run of characters, ? one.' }), {
    minItems: 1,
    description: 'Topics to read, all of their partitions.',
  }),
  group: Type.Optional(
    Text({
      description:
        'A consumer group: several processes run the file at once, and the group divides the partitions among them. Default: one process reads all partitions.',
    }),
  ),
  session_timeout: Duration({
    default: '10s',
    description:
      'With `group`: how long a process may be silent before its partitions are given to others (the broker sets bounds: group.min.session.timeout.ms).',
  }),
  format: Choice(['debezium', 'pgsluice'], {
    description:
      'What the records are: change events of Debezium in JSON, with or without schemas, or the journal that the Kafka sink writes with `format: pgsluice` (always read in a group).',
  }),
  reader: Type.Optional(
    Text({
      description:
        'With `format: pgsluice`: the pipeline file that writes the journal, relative to this one. `verify` and `cutover` of this file then compare with its source, and switch over from it.',
    }),
  ),
  tables_from: Text({
    secret: true,
    description:
      'A PostgreSQL database that has the tables, mostly the target: columns, types and primary keys are read there.',
  }),
  decimal: Choice(['precise', 'string', 'double'], {
    default: 'precise',
    description: 'decimal.handling.mode of the records, where they have no schema.',
  }),
  time: Choice(['adaptive', 'adaptive_time_microseconds', 'connect', 'isostring', 'microseconds', 'nanoseconds'], {
    default: 'adaptive',
    description: 'time.precision.mode of the records, where they have no schema.',
  }),
  binary: Choice(['bytes', 'base64', 'base64-url-safe', 'hex'], {
    default: 'bytes',
    description: 'binary.handling.mode of the records.',
  }),
  unavailable: Text({
    default: '__debezium_unavailable_value',
    description: 'unavailable.value.placeholder of the records: what stands for a value that was not sent.',
  }),
  request_timeout: Duration({ default: '30s', description: 'Longest wait for an answer of a broker.' }),
  connect_timeout: Duration({ default: '10s', description: 'Longest wait for a connection.' }),
  ssl: access.ssl,
  sasl: access.sasl,
});
export type KafkaSourceOptions = Static<typeof kafkaSourceOptions>;
