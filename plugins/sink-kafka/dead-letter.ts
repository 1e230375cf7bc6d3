import { type FileHandle, open } from 'node:fs/promises';
import type { KafkaRecord } from './client/producer.ts';
import { kafkaError } from './errors.ts';

/** Where a refused record goes; durable when `write` resolves. */
export interface DeadLetterStore {
  write(letters: readonly DeadLetter[]): Promise<void>;
  close(): Promise<void>;
}

/** Enough to send the record again: key and value in base64. */
export interface DeadLetter {
  readonly code: string;
  readonly message: string;
  readonly at: string;
  readonly topic: string;
  readonly partition: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>> | null;
}

/** Counts refused records among the last ones and keeps them until they are stored. */
export class DeadLetters {
  readonly #store: DeadLetterStore;
  readonly #max: number;
  readonly #window: number;
  /** Numbers (of all records) of the refused ones within the window. */
  #refused: number[] = [];
  #seen = 0;
  #waiting: DeadLetter[] = [];

  constructor(store: DeadLetterStore, limit: { readonly max: number; readonly of: number }) {
    this.#store = store;
    this.#max = limit.max;
    this.#window = limit.of;
  }

  passed(): void {
    this.#seen++;
  }

  /** Throws PGS5016 above the threshold: the record is not dropped then, the pipeline stops before it. */
  refuse(record: KafkaRecord, code: string, message: string): void {
    this.#seen++;
    this.#refused = this.#refused.filter((n) => n > this.#seen - this.#window);
    this.#refused.push(this.#seen);
    if (this.#refused.length > this.#max) {
      throw kafkaError(
        'PGS5016',
        `${this.#refused.length} of the last ${this.#window} records were refused: ${message}`,
      );
    }
    this.#waiting.push({
      code,
      message,
      at: new Date().toISOString(),
      topic: record.topic,
      partition: record.partition,
      key: record.key?.toString('base64') ?? null,
      value: record.value?.toString('base64') ?? null,
      headers: record.headers,
    });
  }

  /** Before a position is given: what was refused must be safe, too (I9). */
  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const letters = this.#waiting;
    await this.#store.write(letters);
    this.#waiting = [];
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** Appends JSON lines and syncs the file. */
export function fileStore(path: string): DeadLetterStore {
  let file: FileHandle | null = null;
  return {
    async write(letters) {
      file ??= await open(path, 'a', 0o600);
      await file.appendFile(letters.map((letter) => `${JSON.stringify(letter)}\n`).join(''));
      await file.sync();
    },
    async close() {
      await file?.close();
      file = null;
    },
  };
}

/** Records of a topic: the refused record as it is, with headers that say where it belongs and why it is here. */
export function topicStore(topic: string, send: (records: readonly KafkaRecord[]) => Promise<void>): DeadLetterStore {
  return {
    write: async (letters) => {
      for (const letter of letters) {
        await send([
          {
            topic,
            partition: 0,
            key: letter.key === null ? null : Buffer.from(letter.key, 'base64'),
            value: letter.value === null ? null : Buffer.from(letter.value, 'base64'),
            headers: {
              ...letter.headers,
              'pgsluice.code': letter.code,
              'pgsluice.message': letter.message,
              'pgsluice.topic': letter.topic,
              'pgsluice.partition': String(letter.partition),
            },
          },
        ]);
      }
    },
    close: async () => {},
  };
}
