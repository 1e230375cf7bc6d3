import { type Relation, relationName } from '../../../core/postgres/relation.ts';
import { jsonString } from './json.ts';

/**
 * Transaction metadata as Debezium's `provide.transaction.metadata`: a block in each record, and a BEGIN and an END
 * record per transaction. The id is `xid:lsn`, the LSN being that of the commit record.
 */
export class TransactionLog {
  #id = '';
  #total = 0;
  readonly #perTable = new Map<string, number>();
  /** Numbered, but not sent. */
  readonly #missing = new Map<string, number>();

  begin(xid: number, finalLsn: bigint): void {
    this.#id = `${xid}:${finalLsn}`;
    this.#total = 0;
    this.#perTable.clear();
    this.#missing.clear();
  }

  get key(): string {
    return `{"id":"${this.#id}"}`;
  }

  /** The block of the next record of a table. */
  next(relation: Relation): string {
    const table = relationName(relation);
    const order = (this.#perTable.get(table) ?? 0) + 1;
    this.#perTable.set(table, order);
    this.#total++;
    return `{"id":"${this.#id}","total_order":${this.#total},"data_collection_order":${order}}`;
  }

  /** The last ones of a table went to the dead letters: whoever counts up to END must not wait for them. */
  missed(relation: Relation, count: number): void {
    const table = relationName(relation);
    this.#missing.set(table, (this.#missing.get(table) ?? 0) + count);
  }

  beginValue(ms: string): string {
    return `{"status":"BEGIN","id":"${this.#id}","event_count":null,"data_collections":null,"ts_ms":${ms}}`;
  }

  endValue(ms: string): string {
    let total = this.#total;
    const tables = [...this.#perTable].map(([table, numbered]) => {
      const missing = this.#missing.get(table) ?? 0;
      total -= missing;
      return `{"data_collection":${jsonString(table)},"event_count":${numbered - missing}}`;
    });
    return (
      `{"status":"END","id":"${this.#id}","event_count":${total},` +
      `"data_collections":[${tables.join(',')}],"ts_ms":${ms}}`
    );
  }
}
