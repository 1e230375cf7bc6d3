import { Producer } from '@platformatic/kafka';
import { sourceKafka } from '../../plugins/sink-kafka/source/plugin.ts';
import { brokers, kafkaAvailable, testAdmin, unique } from '../support/kafka.ts';
import { database, server } from '../support/servers.ts';
import { sourceConformance } from './index.ts';

if (await kafkaAvailable()) {
  const addresses = await brokers();
  const topic = unique('conformance');
  const admin = testAdmin(addresses[0]!);
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  await admin.disconnect();
  const tables = await database(await server(17));
  await tables.query('CREATE TABLE public.sample (id integer PRIMARY KEY, name text, note text)');
  sourceConformance(sourceKafka, {
    subject: {
      options: { brokers: addresses, topics: [topic], format: 'debezium', tables_from: tables.url },
      schema: 'public',
      table: 'sample',
      write: async (rows) => {
        const producer = new Producer({ clientId: 'test', bootstrapBrokers: [...addresses], idempotent: true });
        const messages = rows.map(([id, name, note]) => {
          const source = { schema: 'public', table: 'sample', ts_us: 1 };
          const value = { before: null, after: { id: Number(id), name, note }, source, op: 'c' };
          return { topic, key: Buffer.from(`{"id":${id}}`), value: Buffer.from(JSON.stringify(value)) };
        });
        await producer.send({ messages, acks: -1 });
        await producer.close();
      },
    },
  });
}
