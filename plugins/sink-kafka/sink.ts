import type { CheckReport } from '../../core/api/check.ts';
import type { PluginContext } from '../../core/api/context.ts';
import type { DeadLetterStore } from '../../core/api/dead-letter.ts';
import type { TablePlan } from '../../core/api/plan.ts';
import { plainTraits, type Sink, type SinkTraits } from '../../core/api/sink.ts';
import { relationName } from '../../core/postgres/relation.ts';
import { checkKafka } from './checks.ts';
import type { SignalChannel } from '../../core/api/signal.ts';
import type { TopicAdmin } from './client/producer.ts';
import { KafkaSignals } from './signals.ts';
import { type Connection, connection } from './connection.ts';
import { TopicLetters } from './dead-letter.ts';
import { JournalStream } from './journal/stream.ts';
import type { KafkaOptions } from './options.ts';
import { positionTopic } from './position.ts';
import { journalTopic, Router } from './router.ts';
import { needsExpressions } from './routing/topics.ts';
import { type Settings, settings as settingsOf } from './settings.ts';
import { KafkaSnapshot } from './snapshot.ts';
import { KafkaStream } from './stream.ts';
import { openWriter } from './writer.ts';

/** Largest record that a dead letter topic of ours takes. */
const deadLetterBytes = 64 << 20;

export class KafkaSink implements Sink {
  readonly snapshot: KafkaSnapshot;
  readonly stream: KafkaStream | JournalStream;
  readonly signals?: SignalChannel;
  readonly #settings: Settings;
  readonly #connection: Connection;
  readonly #options: KafkaOptions;
  readonly #admin: LazyAdmin;
  readonly #router: Router;
  readonly #signals: KafkaSignals | null = null;

  private constructor(options: KafkaOptions, parts: { settings: Settings; connection: Connection }) {
    this.#options = options;
    this.#settings = parts.settings;
    this.#connection = parts.connection;
    this.#admin = new LazyAdmin(() => parts.connection.admin());
    const router = new Router(parts.settings, this.#admin);
    this.#router = router;
    const { signals } = parts.settings;
    if (signals !== null) {
      this.#signals = new KafkaSignals(signals, parts.settings.names.server, parts.connection);
      this.signals = this.#signals;
    }
    this.snapshot = new KafkaSnapshot(parts, router);
    const open = async (partitions: number | null = null) => {
      await this.#positionTopic(router);
      return openWriter(parts, partitions);
    };
    const { journal } = parts.settings;
    this.stream =
      journal === null
        ? new KafkaStream(parts.settings, router, () => open())
        : new JournalStream(async () => {
            const topic = await journalTopic(router, journal);
            return { topic, writer: await open(topic.partitions) };
          });
  }

  static async create(options: KafkaOptions, context: PluginContext): Promise<KafkaSink> {
    const expressions = needsExpressions(options) ? ((await context.expressions?.()) ?? null) : null;
    const settings = settingsOf(options, context, expressions);
    return new KafkaSink(options, { settings, connection: await connection(options, settings, context) });
  }

  async traits(): Promise<SinkTraits> {
    if (this.#settings.journal !== null) return { ...plainTraits, messages: true, keepsPosition: true };
    return {
      rawFormats: [],
      needsKey: false,
      readsGenerated: true,
      existing: null,
      messages: this.#settings.messages || this.#settings.events?.takesMessages === true,
      keepsPosition: this.#settings.exactlyOnce,
      replaysOverlap: true,
      rereads: this.#settings.events === null,
    };
  }

  async check(plans: readonly TablePlan[], report: CheckReport, _signal: AbortSignal, copies: boolean): Promise<void> {
    const admin = this.#connection.admin();
    const access = this.#connection.access();
    const user = this.#options.sasl?.username;
    const principal = user === undefined ? null : `User:${user}`;
    try {
      await checkKafka(this.#settings, { admin, access, principal, copies }, plans, report);
    } finally {
      await Promise.all([admin.close(), access.close()]);
    }
  }

  destination({ output }: TablePlan): readonly string[] {
    const { events, journal } = this.#settings;
    if (journal !== null) return [`topic: ${journal.topic}, the partition of ${relationName(output)}`];
    if (events !== null) return [`topic: by row: ${events.words}`];
    const rule = this.#settings.topicRule(output);
    const byRow = this.#settings.byRow(output);
    const topic = rule.kind === 'name' ? [`topic: ${rule.name}`] : [];
    const member = rule.kind === 'name' && rule.keyMember !== null ? rule.keyMember : null;
    const key = member === null ? [] : [`record key: with ${member.name} = ${member.value}`];
    return [...topic, ...(byRow?.words ?? []), ...key];
  }

  /** Only of a journal. */
  async logs(): Promise<ReadonlyMap<string, string>> {
    const { journal } = this.#settings;
    return journal === null ? new Map() : this.#connection.partitionIds(journal.topic);
  }

  /** Not in the transactions of the records: a letter is there before them, or they are not. */
  async deadLetterTopic(name: string): Promise<DeadLetterStore> {
    await this.#router.named({ name, config: { 'max.message.bytes': String(deadLetterBytes) } });
    const producer = this.#connection.producer(null);
    try {
      await producer.connect();
    } catch (error) {
      await producer.close();
      throw error;
    }
    return new TopicLetters(name, producer);
  }

  /** Topics with rows stay; the position goes: its topic where it is the pipeline's own, else its record. */
  async cleanup(): Promise<readonly string[]> {
    const { exactlyOnce, positionTopic: topic, transactionalId } = this.#settings;
    if (!exactlyOnce || !(await this.#admin.describe([topic])).has(topic)) return [];
    if (this.#options.position_topic === undefined) {
      await this.#connection.deleteTopic(topic);
      return [`Kafka topic ${topic}`];
    }
    const producer = this.#connection.producer(transactionalId);
    try {
      await producer.connect();
      await producer.begin({ topic, partition: 0, key: Buffer.from(transactionalId), value: null, headers: null });
      await producer.commit();
    } finally {
      await producer.close();
    }
    return [`position of ${transactionalId} in the Kafka topic ${topic}`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { codecs } = this.#settings;
    await Promise.all([
      this.stream.close(),
      this.snapshot.close(),
      this.#admin.close(),
      codecs.close(),
      this.#signals?.close(),
    ]);
  }

  async #positionTopic(router: Router): Promise<void> {
    const { exactlyOnce, positionTopic: name, replicationFactor } = this.#settings;
    if (exactlyOnce) await router.named(positionTopic(name, replicationFactor));
  }
}

/** The admin connection, opened at the first question and again after one that failed. */
class LazyAdmin implements TopicAdmin {
  readonly #make: () => TopicAdmin;
  #open: Promise<TopicAdmin> | null = null;

  constructor(make: () => TopicAdmin) {
    this.#make = make;
  }

  async connect(): Promise<void> {
    await this.#connected();
  }
  describe(names: readonly string[]) {
    return this.#ask((admin) => admin.describe(names));
  }
  create(specs: Parameters<TopicAdmin['create']>[0]) {
    return this.#ask((admin) => admin.create(specs));
  }
  brokers() {
    return this.#ask((admin) => admin.brokers());
  }
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await (await open?.catch(() => null))?.close();
  }

  #connected(): Promise<TopicAdmin> {
    this.#open ??= (async () => {
      const admin = this.#make();
      try {
        await admin.connect();
        return admin;
      } catch (error) {
        await admin.close();
        throw error;
      }
    })();
    return this.#open;
  }

  async #ask<T>(question: (admin: TopicAdmin) => Promise<T>): Promise<T> {
    try {
      return await question(await this.#connected());
    } catch (error) {
      await this.close();
      throw error;
    }
  }
}
