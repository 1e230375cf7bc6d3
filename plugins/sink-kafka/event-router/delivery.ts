import type { DeadLetters, Refused } from '../../../core/api/dead-letter.ts';
import type { MessageChange, RowChange } from '../../../core/api/change.ts';
import type { Logger } from '../../../core/base/logger.ts';
import { formatLsn } from '../../../core/postgres/lsn.ts';
import { type Relation, relationName } from '../../../core/postgres/relation.ts';
import type { Tuple } from '../../../core/postgres/tuple.ts';
import type { Target } from '../client/producer.ts';
import { refusal } from '../dead-letter.ts';
import { kafkaError } from '../errors.ts';
import type { Outbox } from '../outbox.ts';
import type { TypeModes } from '../records/types.ts';
import type { Router } from '../router.ts';
import { rowTopic } from '../routing/row-topic.ts';
import { EventRouter, type RoutedEvent } from './events.ts';
import { type Fields, messageFields, rowFields } from './fields.ts';
import type { EventRouterOptions } from './options.ts';

export interface EventParts {
  readonly options: EventRouterOptions;
  readonly modes: TypeModes;
  readonly deadLetters: DeadLetters | null;
  readonly oversize: boolean;
  readonly reserved: ReadonlySet<string>;
  readonly log: Logger;
}

/** `format: outbox`: sends the events of rows and messages. */
export class EventDelivery {
  readonly #parts: EventParts;
  readonly #events: EventRouter;
  readonly #prefixes: readonly RegExp[];
  /** Keyed on the relation object: a changed shape is another object. */
  readonly #readers = new WeakMap<Relation, (row: Tuple) => Fields>();

  /** PGS5063 where an option cannot be. */
  constructor(parts: EventParts) {
    this.#parts = parts;
    this.#events = new EventRouter(parts.options);
    this.#prefixes = parts.options.message_prefix_include_list.map(prefixOf);
  }

  get words(): string {
    return this.#events.words;
  }

  get prefix(): string {
    return this.#events.prefix;
  }

  get takesMessages(): boolean {
    return this.#prefixes.length > 0;
  }

  takes(prefix: string): boolean {
    return this.#prefixes.some((one) => one.test(prefix));
  }

  /** PGS5063 where the table is no outbox. */
  check(relation: Relation): void {
    this.#events.check(relation);
  }

  /** Resolves to false where the change went to the dead letters. Deletes are ignored: an outbox is emptied when its rows are out. */
  async change(change: RowChange, outbox: Outbox, router: Router): Promise<boolean> {
    if (change.kind === 'delete') return true;
    if (change.kind === 'update') return this.#update(change);
    return this.row({ change, relation: change.relation, row: change.after }, outbox, router);
  }

  /** The same for a row of the snapshot. */
  async row(
    of: { readonly change: Refused['change']; readonly relation: Relation; readonly row: Tuple },
    outbox: Outbox,
    router: Router,
  ): Promise<boolean> {
    const { deadLetters } = this.#parts;
    try {
      const event = this.#events.event(this.#reader(of.relation)(of.row));
      const to = await this.#target(event, router, relationName(of.relation));
      if (offer(outbox, to, event)) return true;
      const error = outbox.tooLarge(to, event.key, event.value?.toString() ?? null);
      if (deadLetters === null || !this.#parts.oversize) throw error;
      await deadLetters.refuse([{ change: of.change, error }]);
    } catch (error) {
      if (deadLetters === null) throw error;
      await deadLetters.refuse([{ change: of.change, error: refusal(error) }]);
    }
    return false;
  }

  /** A logical message whose prefix it {@link takes}. */
  async message({ prefix, content, lsn }: MessageChange, outbox: Outbox, router: Router): Promise<void> {
    const event = this.#events.event(messageFields(content, prefix));
    const to = await this.#target(event, router, `message ${formatLsn(lsn)}`);
    if (!offer(outbox, to, event)) throw outbox.tooLarge(to, event.key, event.value?.toString() ?? null);
  }

  async #target(event: RoutedEvent, router: Router, table: string): Promise<Target> {
    const name = rowTopic(event.topic, `outbox.route_topic_replacement`, this.#parts.reserved);
    const topic = await router.topic(name, table);
    const { partition } = event;
    if (partition === null) return topic;
    if (partition < topic.partitions) return { ...topic, partition };
    throw kafkaError('PGS5065', `partition ${partition} of ${name}, which has ${topic.partitions}`);
  }

  #reader(relation: Relation): (row: Tuple) => Fields {
    let reader = this.#readers.get(relation);
    if (reader === undefined) {
      this.check(relation);
      reader = rowFields(relation, this.#parts.modes);
      this.#readers.set(relation, reader);
    }
    return reader;
  }

  #update({ relation, lsn }: RowChange): boolean {
    const { table_op_invalid_behavior: behavior } = this.#parts.options;
    const [table, at] = [relationName(relation), formatLsn(lsn)];
    if (behavior === 'fatal')
      throw kafkaError('PGS5064', 'a row of an outbox was updated', { where: { table, lsn: at } });
    this.#parts.log.log(behavior, 'outbox-update', `an UPDATE of the outbox ${table} at ${at} is ignored`, { table });
    return true;
  }
}

function prefixOf(regex: string): RegExp {
  try {
    return new RegExp(`^(?:${regex})$`);
  } catch (cause) {
    throw kafkaError('PGS5063', `outbox.message_prefix_include_list: ${(cause as Error).message}`, { cause });
  }
}

/** False: too large. The value may be bytes that are no text. */
function offer(outbox: Outbox, to: Target, { key, value, headers, timestamp }: RoutedEvent): boolean {
  const text = typeof value === 'string' || value === null;
  if (text && timestamp === null) return outbox.offer(to, key, value, headers);
  const parts = [key ?? '', value ?? ''].map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
  const bytes = Buffer.concat(parts);
  const keyLength = key === null ? -1 : parts[0]!.length;
  return outbox.offerEncoded(to, { bytes, keyLength, end: bytes.length, hasValue: value !== null, timestamp }, headers);
}
