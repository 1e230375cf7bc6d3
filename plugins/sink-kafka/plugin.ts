import { definePlugin, type SinkPlugin } from '../../core/api/plugin.ts';
import { kafkaErrors } from './errors.ts';
import { type KafkaOptions, kafkaOptions } from './options.ts';
import { KafkaSink } from './sink.ts';

export const sinkKafka: SinkPlugin<KafkaOptions> = definePlugin<KafkaOptions>({
  kind: 'sink',
  name: 'kafka',
  apiVersion: 1,
  summary:
    'Apache Kafka: Debezium-compatible, flat or CloudEvents records; at least once, or exactly once with the position in the same Kafka transaction.',
  options: kafkaOptions,
  errors: kafkaErrors,
  deadLetterTopics: true,
  create: (options, context) => KafkaSink.create(options, context),
});
