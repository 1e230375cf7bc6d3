import type { Change, TransactionInfo } from '../../../core/api/change.ts';
import { type Relation, relationName } from '../../../core/postgres/relation.ts';
import type { Target } from '../client/producer.ts';
import { partitionOf } from '../murmur2.ts';
import type { Outbox } from '../outbox.ts';
import { journalChange, openHeader, PageWriter } from './page.ts';

const open = { [openHeader]: '1' };

/** Changes of whole or begun transactions as records, each table's in one partition: by its name, so that it stays there. */
export class Pages {
  readonly #topic: Target;
  readonly #targets: Target[];
  readonly #writers: PageWriter[];
  /** Partitions whose last record says that a transaction goes on. */
  readonly #open = new Set<number>();
  readonly #partitions = new WeakMap<Relation, number>();

  constructor(topic: Target) {
    this.#topic = topic;
    this.#targets = Array.from({ length: topic.partitions }, (_, partition) => ({ ...topic, partition }));
    this.#writers = this.#targets.map(() => new PageWriter());
  }

  partition(relation: Relation): number {
    let partition = this.#partitions.get(relation);
    if (partition === undefined) {
      partition = partitionOf(Buffer.from(relationName(relation)), this.#topic.partitions);
      this.#partitions.set(relation, partition);
    }
    return partition;
  }

  /** What concerns everybody, the pipeline's own messages, goes to every partition. */
  add(change: Change, outbox: Outbox): void {
    const { tx } = change;
    if (change.kind === 'truncate') {
      const by = Map.groupBy(change.relations, (relation) => this.partition(relation));
      for (const [partition, relations] of by) {
        const writer = this.#writer(partition, tx, outbox);
        const numbers = relations.map((relation) => writer.number(relation));
        writer.add(tx, ['t', numbers, change.cascade, change.restartIdentity]);
      }
    } else if (change.kind === 'message') {
      const to = change.prefix === 'pgsluice' ? this.#writers.keys() : [0];
      for (const partition of to) this.#put(partition, change, outbox);
    } else this.#put(this.partition(change.relation), change, outbox);
  }

  /** Rows of the first copy. */
  addRow(relation: Relation, row: readonly (string | null)[], tx: TransactionInfo, outbox: Outbox): void {
    const writer = this.#writer(this.partition(relation), tx, outbox);
    writer.add(tx, ['r', writer.number(relation), row]);
  }

  /** Everything added goes to the outbox; `ended`: the last transaction ended with it. */
  end(outbox: Outbox, ended: boolean): void {
    for (const [partition, writer] of this.#writers.entries()) {
      if (!writer.empty || (ended && this.#open.has(partition))) this.#emit(partition, outbox, !ended);
    }
  }

  #put(partition: number, change: Exclude<Change, { kind: 'truncate' }>, outbox: Outbox): void {
    const writer = this.#writer(partition, change.tx, outbox);
    writer.add(change.tx, journalChange(change, writer));
  }

  #writer(partition: number, tx: TransactionInfo, outbox: Outbox): PageWriter {
    const writer = this.#writers[partition] as PageWriter;
    const full = writer.isFull(tx);
    if (full !== 'no') this.#emit(partition, outbox, full === 'within');
    return writer;
  }

  #emit(partition: number, outbox: Outbox, goesOn: boolean): void {
    const text = (this.#writers[partition] as PageWriter).take();
    outbox.add(this.#targets[partition] as Target, null, text, goesOn ? open : null);
    if (goesOn) this.#open.add(partition);
    else this.#open.delete(partition);
  }
}
