import { Consumer, type GroupAssignment } from '@platformatic/kafka';
import { asKafkaError, within } from '../client/failure.ts';
import type { ClusterOptions } from '../client/kafkajs-client.ts';
import { platformaticBase } from '../client/platformatic-base.ts';
import { kafkaError } from '../errors.ts';
import { away } from './partitions.ts';

export interface MembershipOptions {
  readonly group: string;
  /** Milliseconds without a sign of life after which the group gives the partitions of a process to others. */
  readonly sessionTimeout: number;
}

export interface Assigned {
  readonly topic: string;
  readonly partitions: readonly number[];
}

/**
 * Part in a consumer group by the classic protocol (JoinGroup, SyncGroup, Heartbeat): the group says which partitions this process shall
 * read. It does not say where, and does not keep others from writing: that is the claim in the sink.
 */
export class Membership {
  readonly #consumer: Consumer;
  readonly #join: number;
  readonly #request: number;
  #assigned: readonly Assigned[] | null = null;
  #failure: Error | null = null;

  constructor(cluster: ClusterOptions, { group, sessionTimeout }: MembershipOptions) {
    // The coordinator answers a JoinGroup when every member has sent one, or this time is over.
    const rebalanceTimeout = 2 * sessionTimeout;
    this.#request = cluster.connectTimeout + cluster.requestTimeout;
    this.#join = this.#request + 2 * rebalanceTimeout;
    this.#consumer = new Consumer({
      ...platformaticBase({ ...cluster, requestTimeout: cluster.requestTimeout + rebalanceTimeout }),
      retries: 5,
      retryDelay: 200,
      groupId: group,
      sessionTimeout,
      rebalanceTimeout,
      heartbeatInterval: Math.max(100, sessionTimeout / 5),
      heartbeatStallTimeout: 2 * sessionTimeout,
    });
    // The name and the values of events are the library's.
    const on = this.#consumer.on.bind(this.#consumer) as (name: string, listener: (value: unknown) => void) => void;
    on('consumer:group:join', (value) => {
      this.#assigned = (value as { readonly assignments: readonly GroupAssignment[] }).assignments;
    });
    on('error', (error) => (this.#failure ??= error as Error));
    on('consumer:heartbeat:stalled', () => (this.#failure ??= new Error('the coordinator does not answer')));
  }

  /** Joins, or joins again where the topics are others now. */
  async join(topics: readonly string[]): Promise<void> {
    const known = this.#consumer.topics.current;
    if (this.#assigned !== null && topics.every((topic) => known.includes(topic))) return;
    this.#consumer.topics.trackAll(...topics);
    const doing = 'cannot join the consumer group';
    try {
      await within(this.#consumer.joinGroup({}), this.#join, doing);
    } catch (error) {
      throw away(asKafkaError(error, doing));
    }
  }

  /** What the group gave last; while it divides again that stays true. Throws where this process has no part in the group any more. */
  assigned(): readonly Assigned[] {
    if (this.#failure !== null) {
      throw kafkaError('PGS2210', this.#failure.message, { cause: this.#failure });
    }
    return this.#assigned ?? [];
  }

  /** It has no part in the group any more. */
  get lost(): boolean {
    return this.#failure !== null;
  }

  /** For displays of lag alone; what is read by is in the sink. */
  async commit(offsets: readonly { readonly topic: string; readonly partition: number; readonly offset: bigint }[]) {
    if (offsets.length === 0) return;
    const epochs = offsets.map((offset) => ({ ...offset, leaderEpoch: -1 }));
    await within(this.#consumer.commit({ offsets: epochs }), this.#request, 'commit').catch(() => {});
  }

  /** Closed alone while it joins again, the consumer would go on with heartbeats for ever: only leaving ends its membership. */
  async leave(): Promise<void> {
    const left = new Promise<void>((resolve) => this.#consumer.leaveGroup(true, () => resolve()));
    await within(left, 2000, 'leave').catch(() => {});
    await within(this.#consumer.close(true), 2000, 'close').catch(() => {});
  }
}

/**
 * The part of this process in the group, from one stream to the next. A stream that failed is followed by another one soon: if it left the
 * group meanwhile, the group would divide twice more, and others fail with what they have in hand of what they lose.
 */
export class GroupPart {
  readonly #make: () => Membership;
  readonly #keep: number;
  #held: Membership | null = null;
  #leaving: NodeJS.Timeout | undefined;

  /** `keep`: milliseconds after which the part is given up if no stream takes it again. */
  constructor(make: () => Membership, keep: number) {
    this.#make = make;
    this.#keep = keep;
  }

  async take(): Promise<Membership> {
    clearTimeout(this.#leaving);
    if (this.#held?.lost === true) await this.leave();
    this.#held ??= this.#make();
    return this.#held;
  }

  /** A stream has ended. */
  rest(): void {
    clearTimeout(this.#leaving);
    this.#leaving = setTimeout(() => void this.leave(), this.#keep).unref();
  }

  async leave(): Promise<void> {
    clearTimeout(this.#leaving);
    const held = this.#held;
    this.#held = null;
    await held?.leave();
  }
}
