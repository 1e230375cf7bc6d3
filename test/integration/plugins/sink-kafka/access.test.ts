import assert from 'node:assert/strict';
import { test } from 'node:test';
import kafkajs from 'kafkajs';
import type { Finding } from '../../../../core/api/check.ts';
import type { KafkaOptions } from '../../../../plugins/sink-kafka/options.ts';
import { KafkaSink } from '../../../../plugins/sink-kafka/sink.ts';
import { brokers, kafkaAvailable, ownBroker, ownBrokersAvailable, testAdmin, unique } from '../../../support/kafka.ts';
import { rowExpressions } from '../../../../core/pipeline/plan/row-expressions.ts';
import {
  batch,
  context,
  insert,
  kafkaOptionsOf,
  never,
  notes,
  plan,
  transaction,
} from '../../../support/kafka-batches.ts';

async function findings(pipeline: string, options: Partial<KafkaOptions>): Promise<readonly Finding[]> {
  const found: Finding[] = [];
  await using sink = await KafkaSink.create(
    kafkaOptionsOf({ partitions: 1, connect_timeout: 10_000, request_timeout: 20_000, ...options }),
    { ...context(pipeline), expressions: rowExpressions },
  );
  await sink.check([plan(notes())], { add: (finding) => void found.push(finding) }, never, true);
  return found;
}

const refused = (found: readonly Finding[]) =>
  found
    .filter(({ level }) => level === 'error')
    .map(({ check, subject, message }) => `${check} ${subject}: ${message}`);

if (await ownBrokersAvailable()) {
  const broker = await ownBroker(undefined, {
    properties: {
      listeners: 'PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}',
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl_plaintext.plain.sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="wonder";',
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
    },
  });
  const alice = {
    brokers: [`127.0.0.1:${broker.ports.get('sasl')}`],
    sasl: { mechanism: 'plain', username: 'alice', password: 'wonder' },
  } as const;
  const { AclOperationTypes: operations, AclResourceTypes: resources } = kafkajs;

  /** One right after the other, and what `check` says of the rest. */
  async function grant(
    operation: kafkajs.AclOperationTypes,
    resourceType: number,
    resourceName: string,
  ): Promise<void> {
    const admin = testAdmin(broker.address);
    const rule = {
      principal: 'User:alice',
      host: '*',
      operation,
      resourceType,
      resourceName,
      resourcePatternType: kafkajs.ResourcePatternTypes.PREFIXED,
      permissionType: kafkajs.AclPermissionTypes.ALLOW,
    };
    await admin.connect();
    await admin.createAcls({ acl: [rule] });
    while ((await admin.describeAcls(rule)).resources.length === 0) await new Promise((done) => setTimeout(done, 20));
    await admin.disconnect();
  }

  test('rights that are missing are found by trying, each with the command that gives it, and nothing is made', async () => {
    const pipeline = unique('acl');
    const [topic, position] = [`${pipeline}.public.notes`, `pgsluice.${pipeline}.position`];
    const options = { ...alice, delivery: 'exactly_once' } as const;
    const first = await findings(pipeline, options);
    assert.deepEqual(
      refused(first).sort(),
      [
        `kafka-acl transactional id pgsluice.${pipeline}.kafka: the user may not write with it`,
        ...[position, topic].map((name) => `kafka-acl ${name}: the user may not make the topic`),
        ...[position, topic].map((name) => `kafka-acl ${name}: the user may not write to the topic`),
        `kafka-acl ${position}: the user may not read the topic`,
      ].sort(),
    );
    for (const { level, remedy, code } of first) {
      if (level !== 'error') continue;
      assert.match(remedy ?? '', /^kafka-acls\.sh .*--allow-principal 'User:alice' .*--(topic|transactional-id) '/);
      assert.equal(code, 'PGS5004');
    }
    const admin = testAdmin(broker.address);
    await admin.connect();
    const made = (await admin.listTopics()).filter((name) => name.includes(pipeline));
    assert.deepEqual(made, []);

    await grant(operations.WRITE, resources.TOPIC, pipeline);
    await grant(operations.WRITE, resources.TOPIC, position);
    await grant(operations.CREATE, resources.TOPIC, position);
    assert.deepEqual(
      refused(await findings(pipeline, options)).sort(),
      [
        `kafka-acl ${topic}: the user may not make the topic`,
        `kafka-acl ${position}: the user may not read the topic`,
        `kafka-acl transactional id pgsluice.${pipeline}.kafka: the user may not write with it`,
      ].sort(),
    );
    await grant(operations.WRITE, resources.TRANSACTIONAL_ID, 'pgsluice.');
    await grant(operations.CREATE, resources.TOPIC, pipeline);
    await grant(operations.READ, resources.TOPIC, position);
    assert.deepEqual(refused(await findings(pipeline, options)), []);

    // A topic that others made, and that is closed: it looks as if it were missing.
    const closed = unique('closed');
    await admin.createTopics({ topics: [{ topic: closed, numPartitions: 1 }], waitForLeaders: false });
    await grant(operations.CREATE, resources.TOPIC, closed);
    assert.deepEqual(refused(await findings(pipeline, { ...alice, topic: closed })).sort(), [
      `kafka-acl ${closed}: the topic is there, and the user may not see it`,
      `kafka-acl ${closed}: the user may not write to the topic`,
    ]);
    await grant(operations.DESCRIBE, resources.TOPIC, closed);
    assert.deepEqual(refused(await findings(pipeline, { ...alice, topic: closed })), [
      `kafka-acl ${closed}: the user may not write to the topic`,
    ]);
    // Topics that rows choose: by prefix, and at the first write.
    const orders = unique('orders');
    const chosen = { ...alice, topic: { expr: `'${orders}.' || id::text` } };
    const says = async () => (await findings(pipeline, chosen)).find(({ subject }) => subject.startsWith('topic: '))!;
    const closedOnes = await says();
    assert.equal(closedOnes.level, 'warning');
    assert.match(closedOnes.message, /may not write to and make any topic whose name begins with orders/);
    assert.match(
      closedOnes.remedy!,
      /--operation Write --operation Describe --operation Create --topic 'orders\S+\.' --resource-pattern-type prefixed$/,
    );
    await using sink = await KafkaSink.create(
      kafkaOptionsOf({ partitions: 1, connect_timeout: 10_000, request_timeout: 20_000, ...chosen }),
      { ...context(pipeline), expressions: rowExpressions },
    );
    await sink.stream.resume(never);
    const written = async () => {
      await sink.stream.write(batch([insert(notes(), transaction(1), ['7', 'x'])]), never);
      await sink.stream.flush();
    };
    await assert.rejects(written(), { code: 'PGS5004', message: new RegExp(`${orders}\\.7`) });
    await grant(operations.WRITE, resources.TOPIC, `${orders}.`);
    assert.match((await says()).message, /may not make any topic/);
    await grant(operations.CREATE, resources.TOPIC, `${orders}.`);
    assert.equal((await says()).level, 'ok');
    const offsets = await admin.fetchTopicOffsets(closed);
    assert.deepEqual(
      offsets.map(({ high }) => high),
      ['0'],
    );
    await admin.disconnect();
  });
}

if (await kafkaAvailable()) {
  test('without an authorizer nothing is missing; what the broker would not make is told', async () => {
    const pipeline = unique('acl');
    const at = { brokers: await brokers() };
    assert.deepEqual(refused(await findings(pipeline, { ...at, delivery: 'exactly_once' })), []);
    const [bad] = refused(await findings(pipeline, { ...at, topic_config: { 'cleanup.policy': 'nonsense' } }));
    assert.match(bad ?? '', /^kafka-acl .*the broker would not make it: .*nonsense/);
  });
}
