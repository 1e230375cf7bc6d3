import { LocalBroker } from './broker.ts';
import { kafkaVersions } from './resolve.ts';

/** `node scripts/kafka/start.ts [version]`: a broker until Ctrl-C; prints its address. */
await using broker = await LocalBroker.start(process.argv[2] ?? kafkaVersions.current);
process.stdout.write(`KAFKA_BROKERS=${broker.address}\n`);
await new Promise<void>((resolve) => {
  const alive = setInterval(() => {}, 60_000);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      clearInterval(alive);
      resolve();
    });
  }
});
