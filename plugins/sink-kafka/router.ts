import { type Relation, relationName } from '../../core/postgres/relation.ts';
import type { PartialTuple, Tuple } from '../../core/postgres/tuple.ts';
import type { Target, TopicAdmin, TopicInfo, TopicSpec } from './client/producer.ts';
import { refusal } from './dead-letter.ts';
import { kafkaError } from './errors.ts';
import { partitionOf } from './murmur2.ts';
import type { RelationFormat } from './records/format.ts';
import type { ByRow } from './routing/by-row.ts';
import type { RecordSchemas } from './schemas/record-schemas.ts';
import type { Settings } from './settings.ts';

/** Where the rows of a relation go and how they are written. */
export interface TopicRoute {
  /** Null: by row. */
  readonly topic: Target | null;
  /** The same for rows of the snapshot. */
  readonly readingTopic: Target | null;
  /** Null: all rows go to the topic, to the partition of their key. */
  readonly byRow: ByRow | null;
  readonly format: RelationFormat;
  /** Of rows of the snapshot. */
  readonly reading: RelationFormat;
}

interface Place {
  readonly topic: Target;
  readonly partitions: Target[];
}

/** `json`: what the partition is chosen by; null: the key. */
function partitionIn({ topic, partitions }: Place, json: string | null): Target {
  if (json === null) return topic;
  const partition = partitionOf(Buffer.from(json), topic.partitions);
  return (partitions[partition] ??= { ...topic, partition });
}

/**
 * Topics and forms, each found once. A partition count is read when a topic is first used and kept for the run: with a count
 * that grows below us, records of one key would go to two partitions.
 */
export class Router {
  readonly #settings: Settings;
  readonly #admin: TopicAdmin;
  readonly #topics = new Map<string, TopicInfo>();
  /** By the form of a relation's rows, then by topic: each is one object. */
  readonly #targets = new WeakMap<RelationFormat, Map<string, Place>>();
  /** Keyed on the relation object: a changed shape is another object. */
  readonly #routes = new WeakMap<Relation, TopicRoute>();

  constructor(settings: Settings, admin: TopicAdmin) {
    this.#settings = settings;
    this.#admin = admin;
  }

  /** The route of a relation seen before. */
  known(relation: Relation): TopicRoute | undefined {
    return this.#routes.get(relation);
  }

  /** Finds or makes the topic; PGS5005 where it is missing and must not be made. */
  async route(relation: Relation): Promise<TopicRoute> {
    const known = this.#routes.get(relation);
    if (known !== undefined) return known;
    const format = this.#settings.formatOf(relation, 'stream');
    const reading = this.#settings.formatOf(relation, 'snapshot');
    const name = this.#settings.topicOf(relation);
    const byRow = this.#settings.byRow(relation);
    const topic = name === null ? null : (await this.#place(name, format)).topic;
    const readingTopic = name === null ? null : (await this.#place(name, reading)).topic;
    const route = { topic, readingTopic, byRow, format, reading };
    this.#routes.set(relation, route);
    return route;
  }

  /** Where a row goes in the form of its route; its topic is found or made. A promise only where that has to be asked for. */
  target(by: TopicRoute, row: PartialTuple, form: RelationFormat): Target | Promise<Target> {
    const name = by.byRow?.topic?.(row) ?? by.topic?.name;
    if (name === undefined) throw new Error('a table has neither a topic nor an expression for one');
    const place = this.#targets.get(form)?.get(name) ?? this.#place(name, form);
    const json = by.byRow?.partitionBy?.(row as Tuple) ?? null;
    return place instanceof Promise ? place.then((found) => partitionIn(found, json)) : partitionIn(place, json);
  }

  async #place(name: string, form: RelationFormat): Promise<Place> {
    const topic = await this.topic(name, relationName(form.rows.relation));
    const place = { topic: await this.#coded(topic, form.schemas), partitions: [] };
    const places = this.#targets.get(form) ?? new Map<string, Place>();
    this.#targets.set(form, places.set(name, place));
    return place;
  }

  async #coded(topic: TopicInfo, schemas: RecordSchemas | null): Promise<Target> {
    const codec = schemas === null ? null : await this.#settings.codecs.of(topic.name, schemas);
    return codec === null ? topic : { ...topic, codec };
  }

  /** A topic that rows name, found or made. */
  async topic(name: string, table: string): Promise<TopicInfo> {
    const found = this.#topics.get(name) ?? (await this.#ensure([this.#spec(name)], table)).get(name);
    if (found === undefined) throw kafkaError('PGS5006', `${name} does not appear after it was made`);
    return found;
  }

  /** Topics of many relations in one go. */
  async prepare(relations: readonly Relation[]): Promise<void> {
    const { events } = this.#settings;
    if (events !== null) {
      for (const relation of relations) events.check(relation);
      return;
    }
    const names = new Set(relations.flatMap((relation) => this.#settings.topicOf(relation) ?? []));
    const missing = [...names].filter((name) => !this.#topics.has(name));
    await this.#ensure(
      missing.map((name) => this.#spec(name)),
      null,
    );
    for (const relation of relations) {
      // With dead letters the rows of a table without a form are refused one by one.
      await this.route(relation).catch((error: unknown) => {
        if (this.#settings.deadLetters === null) throw error;
        refusal(error);
      });
    }
  }

  /** A topic that is not a table's: transactions, messages, dead letters. */
  async named(
    spec: Partial<TopicSpec> & { readonly name: string },
    schemas: RecordSchemas | null = null,
  ): Promise<Target> {
    return this.#coded(await this.#named(spec), schemas);
  }

  async #named(spec: Partial<TopicSpec> & { readonly name: string }): Promise<TopicInfo> {
    const known = this.#topics.get(spec.name);
    if (known !== undefined) return known;
    const found = (await this.#ensure([{ ...this.#spec(spec.name), ...spec }], null)).get(spec.name);
    if (found === undefined) throw kafkaError('PGS5006', `${spec.name} does not appear after it was made`);
    return found;
  }

  #spec(name: string): TopicSpec {
    return topicSpec(this.#settings, name);
  }

  async #ensure(specs: readonly TopicSpec[], table: string | null): Promise<ReadonlyMap<string, TopicInfo>> {
    if (specs.length === 0) return this.#topics;
    const names = specs.map((spec) => spec.name);
    let found = await this.#admin.describe(names);
    const missing = specs.filter((spec) => !found.has(spec.name));
    if (missing.length > 0) {
      if (!this.#settings.createTopics) {
        throw kafkaError('PGS5005', `no topic ${missing.map((spec) => spec.name).join(', ')}`, {
          where: table === null ? {} : { table },
        });
      }
      await this.#admin.create(missing);
      found = await this.#admin.describe(names);
    }
    for (const [name, info] of found) this.#topics.set(name, info);
    return this.#topics;
  }
}

/** Largest record of a journal: a row of any size is in one. */
const journalBytes = 64 << 20;

export function journalTopic(router: Router, { topic }: NonNullable<Settings['journal']>): Promise<Target> {
  return router.named({ name: topic, config: { 'max.message.bytes': String(journalBytes) } });
}

/** How a topic of rows is made. */
export function topicSpec(settings: Settings, name: string): TopicSpec {
  const { partitions, replicationFactor, topicConfig } = settings;
  return { name, partitions, replicationFactor, config: topicConfig };
}
