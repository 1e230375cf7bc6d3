import { definePlugin } from '../../core/api/plugin.ts';
import { kafkaErrors } from './errors.ts';
import { type KafkaOptions, kafkaOptionsSchema } from './options.ts';
import { KafkaSink } from './sink.ts';

export const sinkKafka = definePlugin<KafkaOptions>({
  kind: 'sink',
  name: 'kafka',
  apiVersion: 1,
  summary:
    'Apache Kafka: Debezium-compatible, flat or CloudEvents records; at least once, or exactly once with the position in the same Kafka transaction.',
  options: kafkaOptionsSchema,
  errors: kafkaErrors,
  deadLetterTopics: true,
  create: (options, context) => KafkaSink.create(options, context),
});
