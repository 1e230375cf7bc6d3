import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventRouter } from '../../../../plugins/sink-kafka/event-router/events.ts';
import { messageFields } from '../../../../plugins/sink-kafka/event-router/fields.ts';
import type { KafkaOptions } from '../../../../plugins/sink-kafka/options.ts';
import { settings } from '../../../../plugins/sink-kafka/settings.ts';
import { context, kafkaOptionsOf } from '../../../support/kafka-batches.ts';

const { outbox } = kafkaOptionsOf({});

test('options of an outbox that cannot be are refused before anything is written', () => {
  const made = (more: Partial<KafkaOptions>) => () =>
    settings(kafkaOptionsOf({ format: 'outbox', ...more }), context('app'));
  const of = (more: Partial<KafkaOptions['outbox']>) => made({ outbox: { ...outbox, ...more } });
  of({})();
  assert.throws(of({ table_fields_additional_placement: 'a:nowhere' }), { code: 'PGS5063', message: /a:nowhere/ });
  assert.throws(of({ route_topic_regex: '(' }), { code: 'PGS5063' });
  assert.throws(of({ route_topic_replacement: '$2' }), { code: 'PGS5063' });
  assert.throws(of({ message_prefix_include_list: ['('] }), { code: 'PGS5063' });
  assert.throws(made({ transaction_metadata: true }), { code: 'PGS5018' });
});

test('messages that are no event', () => {
  const event = (content: string) => new EventRouter(outbox).event(messageFields(Buffer.from(content), 'outbox'));
  assert.equal(event('{"id":1,"aggregatetype":"order","aggregateid":2,"payload":"x"}').key, '2');
  for (const content of ['', '[]', '{"id":1}', 'no JSON', '5', '{"id":1,"aggregatetype":"order","payload":"x"}'])
    assert.throws(() => event(content), { code: 'PGS5065' }, content);
});
