import type { Change, OldImage, TransactionInfo } from '../../../core/api/change.ts';
import type { Relation } from '../../../core/postgres/relation.ts';
import type { PartialTuple } from '../../../core/postgres/tuple.ts';

/** A value as the server's text, or null; 0: it was not sent, as it did not change (I7). */
export type JournalCell = string | null | 0;

/**
 * A change as a record has it. Relations are numbers: their place in {@link JournalPage.relations}.
 * i: insert, r: a row of the first copy; u: update, with the old row where the source sent it; d: delete; t: truncate; m: logical message,
 * its content in base64, with its own place in the WAL.
 */
export type JournalChange =
  | readonly ['i' | 'r', number, readonly JournalCell[]]
  | readonly ['u', number, readonly JournalCell[], OldImage['image'] | null, readonly JournalCell[]]
  | readonly ['d', number, OldImage['image'], readonly JournalCell[]]
  | readonly ['t', readonly number[], cascade: boolean, restartIdentity: boolean]
  | readonly ['m', transactional: boolean, prefix: string, content: string, lsn: string];

/** A transaction of the source, or a part of it. `end`: of its commit; `time`: microseconds since 1970. Positions are decimal. */
export interface JournalTransaction {
  readonly xid: number;
  readonly lsn: string;
  readonly end: string | null;
  readonly time: string;
  readonly origin: string | null;
  readonly changes: readonly JournalChange[];
}

/**
 * The value of a record (JSON): all that came of some transactions to one partition, and the tables as they were. `relations` are texts of
 * {@link Relation}: equal texts are read once.
 */
export interface JournalPage {
  readonly version: 1;
  readonly relations: readonly string[];
  readonly transactions: readonly JournalTransaction[];
}

/** Header of a record whose last transaction goes on in the partition's next record. */
export const openHeader = 'pgsluice.open';

/** Bytes, about, after which a page ends with its transaction; and after which it ends within one. */
const enough = 128 << 10;
const most = 512 << 10;

const texts = new WeakMap<Relation, string>();

function textOf(relation: Relation): string {
  let text = texts.get(relation);
  if (text === undefined) texts.set(relation, (text = JSON.stringify(JSON.stringify(relation))));
  return text;
}

/** Writes the pages of one partition. */
export class PageWriter {
  readonly #relations = new Map<Relation, number>();
  #relationTexts = '';
  #done = '';
  #changes = '';
  #tx: TransactionInfo | null = null;

  get empty(): boolean {
    return this.#done === '' && this.#tx === null;
  }

  get size(): number {
    return this.#relationTexts.length + this.#done.length + this.#changes.length;
  }

  /** To be taken before a change of this transaction is added; `within`: the transaction then goes on in the next page. */
  isFull(tx: TransactionInfo): 'no' | 'full' | 'within' {
    if (tx !== this.#tx) return this.size > enough ? 'full' : 'no';
    return this.size > most ? 'within' : 'no';
  }

  add(tx: TransactionInfo, change: JournalChange): void {
    if (tx !== this.#tx) this.#begin(tx);
    this.#changes += `${this.#changes === '' ? '' : ','}${JSON.stringify(change)}`;
  }

  number(relation: Relation): number {
    const known = this.#relations.get(relation);
    if (known !== undefined) return known;
    const number = this.#relations.size;
    this.#relations.set(relation, number);
    this.#relationTexts += `${number === 0 ? '' : ','}${textOf(relation)}`;
    return number;
  }

  take(): string {
    this.#close();
    const text = `{"version":1,"relations":[${this.#relationTexts}],"transactions":[${this.#done}]}`;
    this.#relations.clear();
    this.#relationTexts = '';
    this.#done = '';
    return text;
  }

  #begin(tx: TransactionInfo): void {
    this.#close();
    this.#tx = tx;
  }

  #close(): void {
    const tx = this.#tx;
    if (tx === null) return;
    this.#tx = null;
    const { xid, finalLsn, commitTime, origin } = tx;
    const head = `"xid":${xid},"lsn":"${finalLsn}","end":${tx.end === undefined ? 'null' : `"${tx.end}"`}`;
    const one = `{${head},"time":"${commitTime}","origin":${JSON.stringify(origin)},"changes":[${this.#changes}]}`;
    this.#done += `${this.#done === '' ? '' : ','}${one}`;
    this.#changes = '';
  }
}

const cells = (tuple: PartialTuple): readonly JournalCell[] =>
  tuple.map((cell) => (typeof cell === 'symbol' ? 0 : cell));

/** A change of rows or a message; a TRUNCATE is divided by whoever knows where its tables go. */
export function journalChange(change: Exclude<Change, { kind: 'truncate' }>, page: PageWriter): JournalChange {
  if (change.kind === 'message') {
    const { transactional, prefix, content, lsn } = change;
    return ['m', transactional, prefix, Buffer.from(content).toString('base64'), String(lsn)];
  }
  const relation = page.number(change.relation);
  if (change.kind === 'insert') return ['i', relation, cells(change.after)];
  if (change.kind === 'delete') return ['d', relation, change.before.image, cells(change.before.tuple)];
  const { before } = change;
  return ['u', relation, cells(change.after), before?.image ?? null, before === null ? [] : cells(before.tuple)];
}
