import type { Signal, SignalChannel } from '../../core/api/signal.ts';
import type { Connection } from './connection.ts';
import type { TopicReader } from './client/topic-reader.ts';
import type { Settings } from './settings.ts';

/** Signals as Debezium takes them: rows of a table, and records of a topic whose key is the topic prefix. */
export class KafkaSignals implements SignalChannel {
  readonly table: string | null;
  readonly next: SignalChannel['next'];
  readonly #open: () => TopicReader;
  #reader: TopicReader | null = null;

  constructor({ table, topic }: NonNullable<Settings['signals']>, prefix: string, connection: Connection) {
    this.table = table;
    this.#open = () => connection.reader(topic ?? '');
    this.next = topic === null ? undefined : (after) => this.#next({ topic, prefix, after });
  }

  async close(): Promise<void> {
    const reader = this.#reader;
    this.#reader = null;
    await reader?.close();
  }

  /** A mark is the topic's name and the offset of the next record. */
  async #next({
    topic,
    prefix,
    after,
  }: {
    readonly topic: string;
    readonly prefix: string;
    readonly after: string | null;
  }) {
    this.#reader ??= this.#open();
    const [named, offset] = after?.split(' ') ?? [];
    // Those of a topic that the file did not name before are of no concern.
    const from = named === topic && offset !== undefined ? BigInt(offset) : null;
    try {
      const { records, next } = await this.#reader.read(from);
      const signals = records.flatMap(({ offset: at, key, value }) => {
        const signal = key === prefix && value !== null ? signalOf(value, `${topic}:${at}`) : null;
        return signal === null ? [] : [signal];
      });
      return { signals, mark: `${topic} ${next}` };
    } catch (error) {
      await this.close();
      throw error;
    }
  }
}

/** `data` may be an object, or the text of one. Null: no JSON object with a type. */
function signalOf(value: string, id: string): Signal | null {
  try {
    const { type, data } = JSON.parse(value) as { readonly type?: unknown; readonly data?: unknown };
    if (typeof type !== 'string') return null;
    if (data === undefined || data === null) return { id, type, data: null };
    return { id, type, data: typeof data === 'string' ? data : JSON.stringify(data) };
  } catch {
    return null;
  }
}
