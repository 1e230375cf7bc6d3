import type { CommitLsn } from '../../core/postgres/lsn.ts';
import type { Connection } from './connection.ts';
import type { Producer } from './client/producer.ts';
import { Outbox } from './outbox.ts';
import { positionRecord, readPosition, refuseOtherPartitions } from './position.ts';
import type { Settings } from './settings.ts';

/** A producer with its outbox, and under exactly_once its transactions. After an error only `close` is allowed. */
export interface Writer {
  readonly outbox: Outbox;
  /** What Kafka held when the writer was opened; null under at_least_once. */
  readonly position: CommitLsn | null;
  /** Opens a Kafka transaction where one is needed and none is open. */
  begin(): Promise<void>;
  /** Resolves when everything up to here is acknowledged (and committed, with the position). */
  commit(position: CommitLsn): Promise<void>;
  close(): Promise<void>;
}

export interface WriterParts {
  readonly settings: Settings;
  readonly connection: Connection;
}

/** `partitions`: of a journal; null: none is written. */
export async function openWriter(parts: WriterParts, partitions: number | null = null): Promise<Writer> {
  const { settings } = parts;
  const producer = parts.connection.producer(settings.exactlyOnce ? settings.transactionalId : null);
  try {
    await producer.connect();
    const outbox = outboxOf(settings, producer);
    if (!settings.exactlyOnce) return plainWriter(producer, outbox);
    const { positionTopic: topic, transactionalId: key } = settings;
    // After connect: the transaction that a killed instance left is decided, so what is read now is the truth.
    const text = await parts.connection.lastValue(topic, key);
    const position = readPosition(text, topic);
    if (partitions !== null) refuseOtherPartitions(text, partitions);
    return transactionalWriter(producer, outbox, { topic, key, position, partitions });
  } catch (error) {
    await producer.close();
    throw error;
  }
}

export function outboxOf({ headers, bareHeaders, batchBytes }: Settings, producer: Producer): Outbox {
  return new Outbox({ packer: producer.packer(batchBytes), headers, bareHeaders });
}

function plainWriter(producer: Producer, outbox: Outbox): Writer {
  return {
    outbox,
    position: null,
    begin: async () => {},
    commit: () => outbox.drain(),
    close: () => producer.close(),
  };
}

interface Position {
  readonly topic: string;
  readonly key: string;
  readonly position: CommitLsn | null;
  readonly partitions: number | null;
}

function transactionalWriter(producer: Producer, outbox: Outbox, at: Position): Writer {
  let open = false;
  let { position } = at;
  return {
    outbox,
    position,
    async begin() {
      if (open) return;
      await producer.begin(positionRecord(at.topic, at.key, position, at.partitions));
      open = true;
    },
    async commit(next) {
      await outbox.drain();
      await producer.send([positionRecord(at.topic, at.key, next, at.partitions)]);
      await producer.commit();
      position = next;
      open = false;
    },
    close: () => producer.close(),
  };
}
