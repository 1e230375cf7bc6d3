import { type Relation, relationName } from '../../../core/postgres/relation.ts';
import { hashOrder, stringHash } from './java-map.ts';
import { jsonString } from './json.ts';

/** What the records of BEGIN and END, and the blocks of messages, say in place of a table. */
const messages = 'message';

/**
 * Transaction metadata as Debezium's `provide.transaction.metadata`: a block in each record, and a BEGIN and an END
 * record per transaction. The id is `xid:lsn`, the LSN being that of the change itself, of the first one in BEGIN, and of the end of the commit in END.
 */
export class TransactionLog {
  #xid = 0;
  #id = '';
  #total = 0;
  readonly #perTable = new Map<string, number>();
  /** Numbered, but not sent. */
  readonly #missing = new Map<string, number>();

  begin(xid: number, lsn: bigint): void {
    this.#xid = xid;
    this.#id = `${xid}:${lsn}`;
    this.#total = 0;
    this.#perTable.clear();
    this.#missing.clear();
  }

  end(lsn: bigint): void {
    this.#id = `${this.#xid}:${lsn}`;
  }

  get key(): string {
    return `{"id":"${this.#id}"}`;
  }

  /** The block of the next record of a table; null: of a message. */
  next(relation: Relation | null, lsn: bigint): string {
    const table = relation === null ? messages : relationName(relation);
    const order = (this.#perTable.get(table) ?? 0) + 1;
    this.#perTable.set(table, order);
    this.#total++;
    return `{"id":"${this.#xid}:${lsn}","total_order":${this.#total},"data_collection_order":${order}}`;
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
    const names = hashOrder([...this.#perTable.keys()], stringHash);
    const tables = names.map((table) => {
      const numbered = this.#perTable.get(table) ?? 0;
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
