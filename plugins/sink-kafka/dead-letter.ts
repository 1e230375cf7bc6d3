import type { Json } from '../../core/api/checkpoint.ts';
import type { DeadLetter, DeadLetterStore, Refused } from '../../core/api/dead-letter.ts';
import { PgsluiceError } from '../../core/base/error.ts';
import type { Producer } from './client/producer.ts';
import { kafkaError } from './errors.ts';
import type { Outbox } from './outbox.ts';
import type { Emit, Headers, Side } from './records/events.ts';
import type { Places } from './places.ts';

/** What a change may be refused for: its own values and the types of its table; not the broker, nor the options. */
const ofTheChange: ReadonlySet<string> = new Set(['PGS5007', 'PGS5008', 'PGS5009', 'PGS5061', 'PGS5062', 'PGS5065']);

/** The error as one that a letter may tell of; whatever else it is, is thrown on. */
export function refusal(error: unknown): PgsluiceError {
  if (error instanceof PgsluiceError && ofTheChange.has(error.code)) return error;
  // Text of the server that an encoder cannot read.
  if (error instanceof RangeError || error instanceof SyntaxError) {
    return kafkaError('PGS5007', `a value cannot be written: ${error.message}`, { cause: error });
  }
  throw error;
}

interface Held {
  readonly of: Side;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Headers | null;
}

/** Why a change was not delivered, or not whole. */
export interface Undelivered {
  readonly refused: Pick<Refused, 'error' | 'record'>;
  /** Records with a value that were not sent; null: all that the change should have had. */
  readonly missing: number | null;
}

/**
 * The way of a change where the file has dead letters: encoded whole before any of it is sent, so that what cannot be encoded
 * leaves nothing behind. Of its records those too large for the topic are left out, and returned as they would have been sent.
 */
export function putWhole(
  outbox: Outbox,
  to: { readonly places: Places; readonly oversize: boolean },
  encode: (emit: Emit) => void,
): Undelivered | null {
  const { places, oversize } = to;
  const held: Held[] = [];
  try {
    encode((key, value, headers, of) => held.push({ of, key, value, headers: places.headers(of, headers) }));
    // A serialization may have no form for what JSON can say.
    for (const { of, key, value } of held) places.target(of).codec?.text(key, value);
  } catch (error) {
    return { refused: { error: refusal(error) }, missing: null };
  }
  const unsent: Held[] = [];
  for (const record of held) {
    const { key, value, headers } = record;
    const topic = places.target(record.of);
    if (!oversize) outbox.add(topic, key, value, headers);
    else if (!outbox.offer(topic, key, value, headers)) unsent.push(record);
  }
  const [first] = unsent;
  if (first === undefined) return null;
  return {
    refused: {
      error: outbox.tooLarge(places.target(first.of), first.key, first.value),
      record: unsent.map((record) => recordOf(outbox, places, record)),
    },
    missing: unsent.filter(({ value }) => value !== null).length,
  };
}

function recordOf(outbox: Outbox, places: Places, { of, key, value, headers }: Held): Json {
  const topic = places.target(of);
  return {
    topic: topic.name,
    partition: outbox.partition(topic, key),
    key,
    value,
    headers: outbox.allHeaders(headers),
  };
}

/** A topic with a letter per record: its JSON as the value, in order, and what letters are sorted by as headers. */
export class TopicLetters implements DeadLetterStore {
  readonly #topic: string;
  readonly #producer: Producer;

  constructor(topic: string, producer: Producer) {
    this.#topic = topic;
    this.#producer = producer;
  }

  async write(letters: readonly DeadLetter[]): Promise<void> {
    for (const { sink, table, code, json } of letters) {
      const headers = { 'pgsluice.sink': sink, 'pgsluice.table': table, 'pgsluice.code': code };
      const record = { topic: this.#topic, partition: 0, key: null, value: Buffer.from(json), headers };
      await this.#producer.send([record]);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#producer.close();
  }
}
