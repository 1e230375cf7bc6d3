import { type Connection, ConnectionPool, findCoordinatorV4, metadataV12 } from '@platformatic/kafka';
import { within } from '../client/failure.ts';
import type { ClusterOptions } from '../client/kafkajs-client.ts';
import { platformaticBase } from '../client/platformatic-base.ts';

interface Node {
  readonly host: string;
  readonly port: number;
}
/** Key type of FindCoordinator that asks for a transactional id's. */
const forTransactions = 1;

/** Connections to the brokers, and which of them leads a partition. Nothing is found again after it moved: a new one is made. */
export class Cluster {
  readonly #pool: ConnectionPool;
  readonly #bootstrap: readonly Node[];
  readonly #deadline: number;
  readonly #nodes = new Map<number, Node>();
  readonly #leaders = new Map<string, number[]>();

  constructor(options: ClusterOptions) {
    const {
      clientId,
      bootstrapBrokers: _,
      retries: __,
      autocreateTopics: ___,
      ...connection
    } = platformaticBase(options);
    this.#pool = new ConnectionPool(clientId, connection);
    // The pool listens for one error of a connection; one more would end the process. Whoever waits is told in any case.
    this.#pool.on('connecting', ({ connection: made }) => made.on('error', () => {}));
    this.#bootstrap = options.brokers.map(nodeOf);
    this.#deadline = options.connectTimeout + options.requestTimeout;
  }

  /** Fails what stays unanswered: a connection can end without a word to those that wait for it. */
  ask<T>(work: Promise<T>): Promise<T> {
    return within(work, this.#deadline, 'Kafka');
  }

  any(): Promise<Connection> {
    return this.ask(this.#pool.getFirstAvailable([...this.#bootstrap]));
  }

  async coordinator(transactionalId: string): Promise<Node> {
    const { coordinators } = await this.ask(
      findCoordinatorV4.api.async(await this.any(), forTransactions, [transactionalId]),
    );
    const found = coordinators[0];
    if (found === undefined) throw new Error('the broker names no transaction coordinator');
    return found;
  }

  connection(node: Node): Promise<Connection> {
    return this.ask(this.#pool.get({ host: node.host, port: node.port }));
  }

  node(id: number): Node {
    const node = this.#nodes.get(id);
    if (node === undefined) throw Object.assign(new Error(`broker ${id} is away`), { type: 'BROKER_NOT_AVAILABLE' });
    return node;
  }

  /** Finds the leaders of topics that were not asked for yet. */
  async learn(topics: Iterable<string>): Promise<void> {
    const unknown = [...new Set(topics)].filter((topic) => !this.#leaders.has(topic));
    if (unknown.length === 0) return;
    const metadata = await this.ask(metadataV12.api.async(await this.any(), unknown, false));
    for (const { nodeId, host, port } of metadata.brokers) this.#nodes.set(nodeId, { host, port });
    for (const { name, partitions } of metadata.topics) {
      const leaders: number[] = [];
      for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = leaderId;
      if (typeof name === 'string') this.#leaders.set(name, leaders);
    }
  }

  leader(topic: string, partition: number): number {
    const leader = this.#leaders.get(topic)?.[partition];
    if (leader === undefined || leader < 0) {
      throw Object.assign(new Error(`${topic} ${partition} has no leader`), { type: 'LEADER_NOT_AVAILABLE' });
    }
    return leader;
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }
}

function nodeOf(address: string): Node {
  const colon = address.lastIndexOf(':');
  if (colon === -1) return { host: address, port: 9092 };
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}
