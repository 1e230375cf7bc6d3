import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import kafkajs from 'kafkajs';
import type { KafkaOptions } from '../../../../../plugins/sink-kafka/options.ts';
import { KafkaSink } from '../../../../../plugins/sink-kafka/sink.ts';
import { cli, pipelineFile } from '../../../../support/cli.ts';
import { allow, ownBroker, ownBrokersAvailable, testAdmin, unique } from '../../../../support/kafka.ts';
import { readAll } from '../../../../support/kafka-read.ts';
import {
  batch,
  context,
  insert,
  kafkaOptionsOf,
  never,
  notes,
  transaction,
} from '../../../../support/kafka-batches.ts';
import { database, server } from '../../../../support/servers.ts';
import { tlsFolder } from '../../../../support/tls.ts';

const clients = ['kafkajs', 'platformatic'] as const;
const table = notes();
const plainLogin = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
const scramLogin = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';

if (await ownBrokersAvailable()) {
  const directory = await mkdtemp(join(tmpdir(), 'pgsluice-tls-'));
  after(() => rm(directory, { recursive: true, force: true }));
  const keystore = join(directory, 'keystore.pem');
  const parts = await Promise.all(
    ['localhost.key', 'localhost.crt'].map((name) => readFile(join(tlsFolder, name), 'utf8')),
  );
  await writeFile(keystore, parts.join(''));
  const postgres = await server(17);
  // The open listener is the super user's; alice of the others has the rights that tests give her.
  const broker = await ownBroker(undefined, {
    scram: ['SCRAM-SHA-256=[name=alice,password=wonder]', 'SCRAM-SHA-512=[name=alice,password=wonder]'],
    properties: {
      listeners:
        'PLAINTEXT://127.0.0.1:{port},SASL_SSL://localhost:{sasl},SSL://localhost:{mutual},CONTROLLER://127.0.0.1:{controller}',
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL',
      'inter.broker.listener.name': 'PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'listener.name.sasl_ssl.plain.sasl.jaas.config': `${plainLogin} user_alice="wonder";`,
      'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config': scramLogin,
      'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': scramLogin,
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': keystore,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': join(tlsFolder, 'ca.crt'),
      'listener.name.ssl.ssl.client.auth': 'required',
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS;User:CN=certified',
    },
  });
  const [sasl, mutual] = ['sasl', 'mutual'].map((name) => broker.ports.get(name) as number);
  // What docs/kafka.md says that is needed: topics of the prefix, and an idempotent producer.
  const { WRITE, DESCRIBE, CREATE, DESCRIBE_CONFIGS } = kafkajs.AclOperationTypes;
  await allow(
    broker.address,
    {
      principal: 'User:alice',
      resourceName: 'allowed',
      resourcePatternType: kafkajs.ResourcePatternTypes.PREFIXED,
    },
    [WRITE, DESCRIBE, CREATE, DESCRIBE_CONFIGS],
  );

  for (const client of clients) {
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
      test(`SASL ${mechanism} over TLS, ${client}`, async () => {
        const topic = `allowed.${unique()}`;
        const options = { ...secured({ mechanism }), client, topic } as const;
        await write(options);
        assert.equal((await readAll([broker.address], [topic])).length, 1);
        await assert.rejects(write({ ...options, sasl: { mechanism, username: 'alice', password: 'wrong' } }), {
          code: 'PGS5002',
          retry: 'never',
        });
      });
    }

    test(`mutual TLS, ${client}: with a certificate of the client, and refused without`, async () => {
      const brokers = [`localhost:${mutual}`];
      const ca = join(tlsFolder, 'ca.crt');
      const topic = unique();
      const certificate = { cert: join(tlsFolder, 'certified.crt'), key: join(tlsFolder, 'certified.key') };
      await write({ brokers, client, topic, ssl: { ca, ...certificate } });
      assert.equal((await readAll([broker.address], [topic])).length, 1);
      await assert.rejects(write({ brokers, client, topic, ssl: { ca } }), (error: { code: string }) =>
        ['PGS5003', 'PGS5011'].includes(error.code),
      );
    });

    test(`a certificate that does not verify, and a listener that speaks TLS to a client that does not, ${client}`, async () => {
      const unknown = { ...secured({ mechanism: 'plain' }), client, ssl: true, topic: 'allowed.x' } as const;
      await assert.rejects(write(unknown), { code: 'PGS5003', retry: 'never' });
      const misnamed = { ...unknown, ssl: { ca: join(tlsFolder, 'ca.crt'), servername: 'example.org' } };
      await assert.rejects(write(misnamed), { code: 'PGS5003', retry: 'never' });
    });

    test(`topics without an ACL are refused with a code, ${client}`, async () => {
      const topic = unique('closed');
      const admin = testAdmin(broker.address);
      await admin.connect();
      await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false });
      await admin.disconnect();
      const options = { ...secured({ mechanism: 'plain' }), client } as const;
      await assert.rejects(write({ ...options, topic }), { code: 'PGS5004', retry: 'never' });
      const transactional = { ...options, topic: 'allowed.t', delivery: 'exactly_once', transactional_id: 'other' };
      await assert.rejects(write(transactional as Partial<KafkaOptions>), { code: 'PGS5004' });
      assert.equal((await readAll([broker.address], [topic])).length, 0);
    });
  }

  test('a run with a wrong password ends with one line, leaves nothing behind and shows no password', async () => {
    const source = await database(postgres, 'sec');
    await source.query('CREATE TABLE a (id int PRIMARY KEY)');
    const file = await pipelineFile(`
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks:
  - plugin: kafka
    brokers: ["localhost:${sasl}"]
    ssl: { ca: ${join(tlsFolder, 'ca.crt')} }
    sasl: { mechanism: plain, username: alice, password: not-her-password }
`);
    const { code, stdout, stderr } = await cli(['run', file, '--log', 'json']);
    assert.equal(code, 3, stderr);
    assert.match(stderr, /^PGS\d{4} [^\n]*PGS5002[^\n]*\n$/);
    assert.doesNotMatch(stdout + stderr, /not-her-password/);
    const slots = await source.query(`SELECT 1 FROM pg_replication_slots WHERE database = '${source.name}'`);
    assert.deepEqual(slots, []);
  });

  function secured(sasl_: { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' }): Partial<KafkaOptions> {
    return {
      brokers: [`localhost:${sasl}`],
      ssl: { ca: join(tlsFolder, 'ca.crt') },
      sasl: { ...sasl_, username: 'alice', password: 'wonder' },
    };
  }

  async function write(options: Partial<KafkaOptions>): Promise<void> {
    const timeouts = { connect_timeout: 3000, request_timeout: 5000 };
    const all = { brokers: [], partitions: 1, ...timeouts, ...options };
    await using sink = await KafkaSink.create(kafkaOptionsOf(all), context(unique()));
    await sink.stream.resume(never);
    await sink.stream.write(batch([insert(table, transaction(1), ['1', 'a'])]), never);
  }
}
