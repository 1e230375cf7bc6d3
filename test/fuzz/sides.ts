import pg from 'pg';
import { LocalServer } from '../../core/servers/local-server.ts';
import { LocalBroker } from '../../scripts/kafka/broker.ts';
import { kafkaVersions } from '../../scripts/kafka/resolve.ts';
import { type TestServer, testSettings } from '../support/servers.ts';

/** Servers that seeds share, one per major, and the databases of one seed on two of them. */

const settings = {
  ...testSettings,
  max_prepared_transactions: '40',
  shared_buffers: '64MB',
  log_min_messages: 'fatal',
};

export class Servers implements AsyncDisposable {
  readonly #started = new Map<number, Promise<LocalServer>>();
  #broker: Promise<LocalBroker> | null = null;

  get(major: number): Promise<LocalServer> {
    let found = this.#started.get(major);
    if (found === undefined) this.#started.set(major, (found = LocalServer.start({ major, settings })));
    return found;
  }

  /** Address of a Kafka node, started when it is first asked for. */
  async broker(): Promise<string> {
    this.#broker ??= LocalBroker.start(kafkaVersions.current, {
      properties: { 'group.min.session.timeout.ms': '500' },
    });
    return (await this.#broker).address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#broker)?.remove();
    await Promise.all([...this.#started.values()].map(async (server) => (await server).remove()));
  }
}

/** One of the two databases of a seed. */
export interface Side {
  readonly server: TestServer;
  readonly database: string;
  /** Who owns it and connects; default the superuser. */
  readonly role?: string;
}

export const urlOf = ({ server, database, role }: Side): string =>
  role === undefined ? server.url(database) : server.url(database, role);

/** Gives the database to its role, which is no superuser. */
export async function own({ server, database, role }: Side): Promise<void> {
  await server.query(`ALTER DATABASE ${database} OWNER TO ${role}`);
  await server.query(`GRANT ALL ON SCHEMA public TO ${role}`, database);
}

export async function connect(side: Side, name = 'fuzz'): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: urlOf(side), application_name: name });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Rows of each query in one session, every cell as text. */
export async function ask(side: Side, queries: readonly string[]): Promise<(string | null)[][][]> {
  const client = await connect(side);
  try {
    await client.query(
      `SET extra_float_digits = 3; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'`,
    );
    const found: (string | null)[][][] = [];
    for (const text of queries) {
      const asText = { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig;
      const { rows } = await client.query<(string | null)[]>({ text, rowMode: 'array', types: asText });
      found.push(rows);
    }
    return found;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Ends what still reads or writes there, and drops it with its slots. */
export async function drop({ server, database }: Side): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await server.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`);
      const prepared = await server.query<{ gid: string }>(
        `SELECT gid FROM pg_prepared_xacts WHERE database = '${database}'`,
      );
      for (const { gid } of prepared) await server.query(`ROLLBACK PREPARED '${gid.replaceAll("'", "''")}'`, database);
      await server.query(
        `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${database}' AND NOT active`,
      );
      await server.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
      return;
    } catch (error) {
      if (tries === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
