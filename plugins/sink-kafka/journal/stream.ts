import type { StreamBatch } from '../../../core/api/change.ts';
import type { Receipt, StreamSink } from '../../../core/api/sink.ts';
import type { CommitLsn } from '../../../core/postgres/lsn.ts';
import type { Target } from '../client/producer.ts';
import type { Writer } from '../writer.ts';
import { Pages } from './pages.ts';

/** `format: pgsluice`: each batch is one Kafka transaction with its position, so nothing stands in the journal twice. */
export class JournalStream implements StreamSink {
  readonly #open: () => Promise<{ readonly writer: Writer; readonly topic: Target }>;
  #writer: Writer | null = null;
  #pages: Pages | null = null;
  #durable: CommitLsn | null = null;

  constructor(open: () => Promise<{ readonly writer: Writer; readonly topic: Target }>) {
    this.#open = open;
  }

  async resume(signal: AbortSignal): Promise<CommitLsn | null> {
    await this.close();
    signal.throwIfAborted();
    this.#durable = null;
    const { writer, topic } = await this.#open();
    this.#writer = writer;
    this.#pages = new Pages(topic);
    return writer.position;
  }

  async write({ changes, boundary }: StreamBatch, signal: AbortSignal): Promise<Receipt> {
    const [writer, pages] = [this.#writer, this.#pages];
    if (writer === null || pages === null) throw new Error('write before resume');
    try {
      await writer.begin();
      for (const change of changes) {
        pages.add(change, writer.outbox);
        if (!writer.outbox.full) continue;
        await writer.outbox.ship();
        signal.throwIfAborted();
      }
      pages.end(writer.outbox, boundary !== null);
      if (boundary === null) {
        await writer.outbox.ship();
        return { status: 'accepted' };
      }
      await writer.commit(boundary);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#durable = boundary;
    return { status: 'durable', upTo: boundary };
  }

  async flush(): Promise<CommitLsn | null> {
    return this.#durable;
  }

  async close(): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    this.#pages = null;
    await writer?.close();
  }
}
