import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import kafkajs from 'kafkajs';
import { cli, pipelineFile } from '../support/cli.ts';
import { allow, ownBroker, ownBrokersAvailable, testAdmin } from '../support/kafka.ts';
import { readAll } from '../support/kafka-read.ts';
import { short } from '../support/long.ts';
import { database, server, type TestDatabase } from '../support/servers.ts';

/**
 * A pipeline that follows, something that is wrong on Kafka's side or in the file, a run that ends with one line and a code,
 * then the same mended: everything that was written meanwhile arrives.
 */
interface Pipeline {
  readonly source: TestDatabase;
  readonly file: string;
}

/** A token as the brokers' unsecured mode takes it: a JWT without a signature. Only for tests. */
function token(of: string, forSeconds: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const at = Math.floor(Date.now() / 1000);
  return `${part({ alg: 'none' })}.${part({ sub: of, iat: at - 1000, exp: at + forSeconds })}.`;
}

if (await ownBrokersAvailable()) {
  const postgres = await server(17);
  const login =
    'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";';
  const validator =
    'org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler';
  const broker = await ownBroker(undefined, {
    properties: {
      listeners: 'PLAINTEXT://127.0.0.1:{port},SASL_PLAINTEXT://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}',
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT',
      'inter.broker.listener.name': 'PLAINTEXT',
      'sasl.enabled.mechanisms': 'OAUTHBEARER,PLAIN',
      'listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config': login,
      'listener.name.sasl_plaintext.oauthbearer.sasl.server.callback.handler.class': validator,
      'listener.name.sasl_plaintext.plain.sasl.jaas.config':
        'org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="wonder";',
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS;User:boss',
    },
  });
  const sasl = broker.ports.get('sasl') as number;
  const open = `brokers: ["${broker.address}"]`;
  const secured = (mechanism: string) => `brokers: ["127.0.0.1:${sasl}"]\n    sasl: { ${mechanism} }`;
  const alice = secured('mechanism: plain, username: alice, password: wonder');

  const yaml = (source: TestDatabase, sink: string) => `
pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks:
  - plugin: kafka
${sink.includes('_timeout') ? '' : '    connect_timeout: 2s\n    request_timeout: 4s\n'}    partitions: 1
    ${sink}
checkpoint: { plugin: file }
`;

  async function following(): Promise<Pipeline> {
    const source = await database(postgres, 'bad');
    await source.query(
      "CREATE TYPE pair AS (a int, b int); CREATE TABLE a (id int PRIMARY KEY, p pair); INSERT INTO a VALUES (1, '(1,2)')",
    );
    const file = await pipelineFile(yaml(source, open));
    const first = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
    assert.equal(first.code, 0, first.stderr);
    await source.query('INSERT INTO a VALUES (2)');
    return { source, file };
  }

  /** Ends with one line of this code; never shows a secret. */
  async function fails({ source, file }: Pipeline, sink: string, code: string): Promise<void> {
    await writeFile(file, yaml(source, sink));
    const { code: exit, stdout, stderr } = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
    assert.equal(exit, 1, stderr);
    assert.match(stderr, new RegExp(`^${code} [^\\n]+\\n$`));
    assert.doesNotMatch(stdout + stderr, /not-her-password|eyJ/);
  }

  async function arrives({ source, file }: Pipeline, sink: string, keys: readonly number[]): Promise<void> {
    await writeFile(file, yaml(source, sink));
    const { code, stderr } = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
    assert.equal(code, 0, stderr);
    const records = await readAll([broker.address], [`${source.name}.public.a`]);
    assert.deepEqual(
      records.map(({ key }) => key),
      keys.map((id) => `{"id":${id}}`),
    );
  }

  test('brokers that cannot be reached, a password that is wrong, a listener that wants TLS or a login', async () => {
    const pipeline = await following();
    await fails(pipeline, 'brokers: ["127.0.0.1:1"]', 'PGS5001');
    await fails(pipeline, secured('mechanism: plain, username: alice, password: not-her-password'), 'PGS5002');
    await fails(pipeline, `${open}\n    ssl: true`, 'PGS50(03|11)');
    await arrives(pipeline, open, [1, 2]);
  });

  test('OAUTHBEARER: a token of the file, of a token file, of an endpoint; one that has expired, one that is none', async () => {
    let given = token('boss', 3600);
    const endpoint = createServer((request, response) => {
      const basic = `Basic ${Buffer.from('id:secret').toString('base64')}`;
      response.statusCode = request.headers.authorization === basic ? 200 : 401;
      response.end(response.statusCode === 200 ? JSON.stringify({ access_token: given }) : '{}');
    }).listen(0, '127.0.0.1');
    after(() => endpoint.close());
    const url = () => `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/token`;
    for (const client of short(1, ['platformatic', 'kafkajs'])) {
      given = token('boss', 3600);
      const pipeline = await following();
      // A busy machine takes seconds for a handshake, and one that is cut off is another error.
      const patient = 'connect_timeout: 60s\n    request_timeout: 60s';
      const by = (way: string) => `${secured(`mechanism: oauthbearer, ${way}`)}\n    client: ${client}\n    ${patient}`;
      await fails(pipeline, by(`token: ${token('boss', -500)}`), 'PGS5002');
      if (client === 'kafkajs') {
        await arrives(pipeline, by(`token: ${token('boss', 3600)}`), [1, 2]);
        continue;
      }
      await fails(pipeline, by('token: none.of.ours'), 'PGS5002');
      await fails(pipeline, by(`token_url: "${url()}", client_id: id, client_secret: wrong`), 'PGS5002');
      await arrives(pipeline, by(`token: ${token('boss', 3600)}`), [1, 2]);
      await writeFile(`${pipeline.file}.token`, `${token('boss', 3600)}\n`);
      await pipeline.source.query('INSERT INTO a VALUES (3)');
      await arrives(pipeline, by(`token_file: "${pipeline.file}.token"`), [1, 2, 3]);
      await pipeline.source.query('INSERT INTO a VALUES (4)');
      await arrives(pipeline, by(`token_url: "${url()}", client_id: id, client_secret: secret`), [1, 2, 3, 4]);
    }
  });

  test('a topic that is missing and must not be made, one that ACLs keep closed, a type that is not known', async () => {
    const pipeline = await following();
    const { source } = pipeline;
    const admin = testAdmin(broker.address);
    await admin.connect();
    after(() => admin.disconnect());
    const topic = `${source.name}.public.a`;
    await fails(pipeline, alice, 'PGS5004');
    const { WRITE, DESCRIBE } = kafkajs.AclOperationTypes;
    const resourcePatternType = kafkajs.ResourcePatternTypes.LITERAL;
    const to = { principal: 'User:alice', resourceName: topic, resourcePatternType };
    await allow(broker.address, to, [WRITE, DESCRIBE]);
    await arrives(pipeline, alice, [1, 2]);

    await source.query('INSERT INTO a VALUES (3)');
    await fails(pipeline, `${open}\n    unknown_types: error`, 'PGS5009');
    await arrives(pipeline, open, [1, 2, 3]);

    await admin.deleteTopics({ topics: [topic] });
    await source.query('INSERT INTO a VALUES (4)');
    await fails(pipeline, `${open}\n    create_topics: false`, 'PGS5005');
    await arrives(pipeline, open, [4]);
  });
}
