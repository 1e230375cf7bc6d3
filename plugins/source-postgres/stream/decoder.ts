import type { Change, OldImage, TransactionInfo } from '../../../core/api/change.ts';
import type { Tuple } from '../../../core/postgres/tuple.ts';
import { derived, PgsluiceError } from '../../../core/base/error.ts';
import { type CommitLsn, formatLsn } from '../../../core/postgres/lsn.ts';
import { type Oid, type Relation, relationName } from '../../../core/postgres/relation.ts';
import { WireInsert, WireUpdate } from '../../../core/api/wire-change.ts';
import { BodyReader, EPOCH_2000, malformed, TupleReader, type TupleReaderOptions } from './message-reader.ts';
import { streamError } from './errors.ts';
import { type Region, XLOG_HEADER } from './replication-socket.ts';
import { readMessage, readOrigin, readRelation, readTruncate, readType } from './messages.ts';
import type { RelationCache } from './relation-cache.ts';
import type { WireRelation } from './wire.ts';

/** A transaction while it is read; the origin's name comes after its begin. */
export type OpenTransaction = { -readonly [K in keyof TransactionInfo]: TransactionInfo[K] };

/** The receiver of transactions, in the order of their commits. */
export interface TransactionTarget {
  begin(tx: TransactionInfo): void;
  change(change: Change, bytes: number): void;
  /** `end` is the end of the commit record: exactly what is acknowledged. */
  commit(tx: TransactionInfo, end: CommitLsn): void;
  /** A logical message outside any transaction; it stands for a transaction of its own that ends at `end`. */
  lone(change: Change, end: CommitLsn, bytes: number): void;
}

/** Messages other than changes: each is handled before the next message is decoded. */
export interface ControlTarget {
  /** A shape that the cache does not have: it must be added before the next message is decoded. */
  relation(wire: WireRelation): void;
  readonly streamed: StreamedTarget;
}

/** Transactions that arrive before their commit, if that was requested. */
export interface StreamedTarget {
  start(xid: number): void;
  stop(): void;
  /** A message between start and stop, not decoded. */
  keep(region: Region, frame: number, end: number): void;
  abort(xid: number, subxid: number): void;
  commit(tx: OpenTransaction, end: bigint): void;
}

export type DecoderOptions = TupleReaderOptions;

/**
 * pgoutput, versions 1 to 4 (manual: "Logical Replication Message Formats"). Synchronous; its only state is the open
 * transaction; throws PGS216x on anything that differs from the manual, never guesses.
 */
export class Decoder {
  readonly #target: TransactionTarget;
  readonly #control: ControlTarget;
  readonly #relations: RelationCache;
  readonly #byOid: ReadonlyMap<Oid, Relation>;
  readonly #rows: TupleReader;
  #tx: OpenTransaction | null = null;
  /** See {@link TransactionInfo.previousEnd}. */
  #previousEnd: bigint | null = null;
  /** Between stream start and stop: message bodies there begin with a transaction id. */
  #streaming = false;
  /** The relation of the current row, for errors. */
  #relation: Relation | null = null;

  constructor(
    to: { readonly transactions: TransactionTarget; readonly control: ControlTarget },
    relations: RelationCache,
    options: DecoderOptions,
  ) {
    this.#target = to.transactions;
    this.#control = to.control;
    this.#relations = relations;
    this.#byOid = relations.byOid;
    this.#rows = new TupleReader(options);
  }

  /** No message is partly read: a keepalive at this point covers everything before it (I3). */
  get between(): boolean {
    return this.#tx === null && !this.#streaming;
  }

  /** Decodes the XLogData message whose CopyData frame is at [frame, end). */
  decode(region: Region, frame: number, end: number): void {
    const at = frame + XLOG_HEADER;
    if (at >= end) throw malformed('XLogData without content');
    this.#relation = null;
    try {
      if (this.#streaming && region.buffer[at] !== 0x45) this.#control.streamed.keep(region, frame, end);
      else this.#message(region, frame, end);
    } catch (error) {
      throw this.#located(error, region.view.getBigUint64(frame + 6));
    }
  }

  #message(region: Region, frame: number, end: number): void {
    const at = frame + XLOG_HEADER;
    const type = region.buffer[at];
    if (type === 0x49 || type === 0x55 || type === 0x44) {
      const tx = this.#tx;
      if (tx === null) throw malformed('a row outside a transaction');
      const rows = this.#rows;
      rows.load(region, frame, end);
      const relation = this.#relationOf(rows.u32());
      this.#relation = relation;
      const change = type === 0x49 ? this.#insert(relation, tx) : this.#altered(type, relation, tx);
      if (rows.at !== end) throw malformed(`${end - rows.at} bytes are left over`);
      this.#target.change(change, end - frame);
      return;
    }
    this.#other(type as number, region, frame, end);
  }

  #relationOf(oid: Oid): Relation {
    const relation = this.#byOid.get(oid);
    if (relation === undefined) throw malformed(`a row of the relation ${oid}, which was not announced`);
    return relation;
  }

  #insert(relation: Relation, tx: TransactionInfo): Change {
    const rows = this.#rows;
    if (rows.byte() !== 0x4e) throw malformed('an insert without a new row');
    return new WireInsert(rows.row(relation.columns.length, false), relation, tx);
  }

  #altered(type: number, relation: Relation, tx: TransactionInfo): Change {
    const rows = this.#rows;
    const count = relation.columns.length;
    let before: OldImage | null = null;
    let mark = rows.byte();
    if (mark === 0x4b || mark === 0x4f) {
      before = { image: mark === 0x4b ? 'key' : 'full', tuple: rows.old(count).cells() as Tuple };
      if (type === 0x55) mark = rows.byte();
    }
    if (type === 0x44) {
      if (before === null) throw malformed('a delete without an old row');
      return { kind: 'delete', relation, before, tx, lsn: rows.lsn };
    }
    if (mark !== 0x4e) throw malformed('an update without a new row');
    return new WireUpdate(rows.row(count, true), relation, { tx, before });
  }

  #other(type: number, region: Region, frame: number, end: number): void {
    const body = new BodyReader(region, frame + XLOG_HEADER + 1, end);
    const bytes = end - frame;
    switch (String.fromCharCode(type)) {
      case 'B':
        return this.#begin(body);
      case 'C':
        return this.#commit(body);
      case 'O': {
        if (this.#tx === null) throw malformed('an origin outside a transaction');
        const { name, lsn } = readOrigin(body);
        this.#tx.origin = name;
        this.#tx.originLsn = lsn;
        return;
      }
      case 'R': {
        const wire = readRelation(body, (oid) => this.#relations.typeName(oid));
        this.#control.relation(wire);
        return;
      }
      case 'Y': {
        const { oid, schema, name } = readType(body);
        return this.#relations.nameType(oid, schema, name);
      }
      case 'T': {
        const { oids, cascade, restartIdentity } = readTruncate(body);
        const tx = this.#tx;
        if (tx === null) throw malformed('a truncate outside a transaction');
        const relations = oids.map((oid) => this.#relationOf(oid));
        const lsn = region.view.getBigUint64(frame + 6);
        return this.#target.change({ kind: 'truncate', relations, cascade, restartIdentity, tx, lsn }, bytes);
      }
      case 'M':
        return this.#logical(body, region.view.getBigInt64(frame + 22), bytes);
      case 'S':
      case 'E':
      case 'c':
      case 'A':
        return this.#streamControl(String.fromCharCode(type), body);
      case 'b':
      case 'P':
      case 'K':
      case 'r':
      case 'p':
        throw streamError('PGS2162', 'the server sent a prepared transaction before its commit');
      default:
        throw streamError('PGS2161', `a replication message of the unknown type ${type}`);
    }
  }

  #begin(body: BodyReader): void {
    if (this.#tx !== null) throw malformed('a transaction begins inside another');
    const finalLsn = body.u64();
    const commitTime = body.time();
    const xid = body.u32();
    body.end();
    this.open({ xid, finalLsn: finalLsn as TransactionInfo['finalLsn'], commitTime, origin: null });
  }

  /** Opens a transaction whose messages follow: at Begin, or at the commit of a streamed one. */
  open(tx: OpenTransaction): void {
    if (this.#previousEnd !== null) tx.previousEnd = this.#previousEnd;
    this.#tx = tx;
    this.#target.begin(tx);
  }

  #commit(body: BodyReader): void {
    const tx = this.#tx;
    if (tx === null) throw malformed('a commit outside a transaction');
    body.u8();
    const record = body.u64();
    const end = body.u64();
    body.time();
    body.end();
    if (record !== tx.finalLsn) throw malformed('a commit that is not the begun transaction’s');
    this.close(end);
  }

  close(end: bigint): void {
    const tx = this.#tx;
    if (tx === null || end <= tx.finalLsn) throw malformed('a commit that ends before it starts');
    this.#tx = null;
    tx.end = end as CommitLsn;
    this.#previousEnd = end;
    this.#target.commit(tx, end as CommitLsn);
  }

  /**
   * A message that is not transactional arrives at once, between transactions. It gets a transaction of its own: xid 0,
   * no origin, the server's send time, and nothing else in it. Its LSN is the end of its record (seen on 14 to 18), so
   * it is a boundary like the end of a commit: nothing is skipped and the message is not repeated when a stream starts
   * there.
   */
  #logical(body: BodyReader, sent: bigint, bytes: number): void {
    const { transactional, lsn, prefix, content } = readMessage(body);
    if (transactional) {
      const tx = this.#tx;
      if (tx === null) throw malformed('a transactional message outside a transaction');
      return this.#target.change({ kind: 'message', transactional, prefix, content, tx, lsn }, bytes);
    }
    if (this.#tx !== null) throw malformed('a message that is not transactional inside a transaction');
    // The pipeline's own control messages do not count for readers of the records: they never appear in `previousEnd`.
    if (prefix !== 'pgsluice') this.#previousEnd = lsn;
    const tx = loneTransaction(lsn, sent);
    this.#target.lone({ kind: 'message', transactional, prefix, content, tx, lsn }, lsn as CommitLsn, bytes);
  }

  #streamControl(type: string, body: BodyReader): void {
    if (this.#tx !== null) throw malformed('a streamed transaction inside another');
    const { streamed } = this.#control;
    if (type === 'E') {
      body.end();
      if (!this.#streaming) throw malformed('a stream stop without a start');
      this.#streaming = false;
      return streamed.stop();
    }
    const xid = body.u32();
    if (type === 'S') {
      body.u8();
      body.end();
      this.#streaming = true;
      return streamed.start(xid);
    }
    if (type === 'A') {
      const subxid = body.u32();
      body.end();
      return streamed.abort(xid, subxid);
    }
    body.u8();
    const finalLsn = body.u64() as TransactionInfo['finalLsn'];
    const end = body.u64();
    const commitTime = body.time();
    body.end();
    return streamed.commit({ xid, finalLsn, commitTime, origin: null }, end);
  }

  #located(error: unknown, lsn: bigint): unknown {
    if (!(error instanceof PgsluiceError) || !error.code.startsWith('PGS21')) return error;
    const table = this.#relation === null ? {} : { table: relationName(this.#relation) };
    const where = { ...table, lsn: formatLsn(lsn), ...error.where };
    return derived(error, { where, cause: error.cause });
  }
}

function loneTransaction(lsn: bigint, sent: bigint): TransactionInfo {
  const finalLsn = lsn as TransactionInfo['finalLsn'];
  return { xid: 0, finalLsn, commitTime: sent + EPOCH_2000, origin: null, previousEnd: lsn };
}
