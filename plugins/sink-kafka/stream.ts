import type {
  Change,
  MessageChange,
  RowChange,
  StreamBatch,
  TransactionInfo,
  TruncateChange,
} from '../../core/api/change.ts';
import type { DeadLetters } from '../../core/api/dead-letter.ts';
import { PgsluiceError } from '../../core/base/error.ts';
import { type CommitLsn, formatLsn } from '../../core/postgres/lsn.ts';
import { type Relation, relationName } from '../../core/postgres/relation.ts';
import type { Receipt, StreamSink } from '../../core/api/sink.ts';
import type { Target } from './client/producer.ts';
import { putWhole, refusal } from './dead-letter.ts';
import { kafkaError, placed, placeOf } from './errors.ts';
import type { Outbox } from './outbox.ts';
import { messageValue, type Place } from './records/envelope.ts';
import { changeRecords, type Emit } from './records/events.ts';
import { jsonString } from './records/json.ts';
import { type Moment, now, processedAt, rereadMoment, snapshotMoment, transactionMoment } from './records/moment.ts';
import { newRowOf, RowRecords } from './records/row-records.ts';
import { binaryText } from './records/special.ts';
import { TransactionLog } from './records/transactions.ts';
import type { TopicRoute, Router } from './router.ts';
import { messageSchemas, transactionSchemas } from './schemas/record-schemas.ts';
import { fixedPlaces, type Places, placesOf } from './places.ts';
import { topicName } from './routing/topics.ts';
import type { Settings } from './settings.ts';
import type { Writer } from './writer.ts';

/** Before the first transaction of a batch. */
const nowhere = snapshotMoment({ takenAt: 0n, lsn: null, xid: null }, '', 'false');

/** The change plane: batches in order, one at a time. */
export class KafkaStream implements StreamSink {
  readonly #settings: Settings;
  readonly #router: Router;
  readonly #open: () => Promise<Writer>;
  #writer: Writer | null = null;
  #durable: CommitLsn | null = null;
  /** Transaction of the change before. */
  #tx: TransactionInfo | null = null;
  /** Commit time of the last transaction: a message outside of one has it, too. */
  #time: bigint | null = null;
  #moment: Moment | null = null;
  readonly #log = new TransactionLog();
  readonly #records = new RowRecords();
  #transactions: Target | null = null;
  #messages: Target | null = null;

  constructor(settings: Settings, router: Router, open: () => Promise<Writer>) {
    this.#settings = settings;
    this.#router = router;
    this.#open = open;
  }

  /** A new producer, so that nothing of a failed write lives on; with exactly_once the position that Kafka holds. */
  async resume(signal: AbortSignal): Promise<CommitLsn | null> {
    await this.close();
    signal.throwIfAborted();
    this.#tx = null;
    this.#time = null;
    this.#durable = null;
    this.#writer = await this.#open();
    return this.#writer.position;
  }

  async write(batch: StreamBatch, signal: AbortSignal): Promise<Receipt> {
    const writer = this.#writer;
    if (writer === null) throw new Error('write before resume');
    try {
      await writer.begin();
      await this.#changes(batch, writer.outbox, signal);
      if (batch.boundary === null) {
        await writer.outbox.ship();
        return { status: 'accepted' };
      }
      await this.#endTransaction(writer.outbox);
      // I1: only now, with every record acknowledged, is there a position to give.
      await writer.commit(batch.boundary);
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#durable = batch.boundary;
    return { status: 'durable', upTo: batch.boundary };
  }

  async flush(): Promise<CommitLsn | null> {
    return this.#durable;
  }

  /** A transaction that is open in Kafka is left to the next producer of its id, which aborts it. */
  async close(): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    await writer?.close();
  }

  async #changes(batch: StreamBatch, outbox: Outbox, signal: AbortSignal): Promise<void> {
    const { changes } = batch;
    const processed = processedAt(now());
    let relation: Relation | null = null;
    let route: TopicRoute | null = null;
    let places: Places | null = null;
    const place: { at: Moment; lsn: string; transaction: string } = { at: nowhere, lsn: '', transaction: 'null' };
    const metadata = this.#settings.transactionMetadata;
    let lsn = 0n;
    let read = false;
    const nextPlace = () => {
      // A row that is read again is of no transaction.
      if (read) place.transaction = 'null';
      else if (metadata && relation !== null) place.transaction = this.#log.next(relation, lsn);
      return place;
    };
    const emit: Emit = (key, value, headers, of) => {
      const { target, headers: all } = places as Places;
      outbox.add(target(of), key, value, all(of, headers));
    };
    const more = { place: nextPlace, tombstones: this.#settings.tombstones, emit };
    const { deadLetters, events } = this.#settings;
    // With dead letters a change is encoded whole before any of it is sent; the transaction block differs by change.
    const direct = deadLetters === null && !metadata && batch.values === 'text';
    let refused = 0;
    for (const change of changes) {
      if (change.tx !== this.#tx) await this.#beginTransaction(change, outbox, processed);
      const at = this.#moment as Moment;
      if (change.kind === 'truncate') await this.#truncate(change, outbox, at);
      else if (change.kind === 'message') await this.#message(change, outbox, at);
      else if (events !== null) {
        if (!(await events.change(change, outbox, this.#router))) refused++;
      } else {
        try {
          if (change.relation !== relation || route === null) {
            relation = change.relation;
            route = null;
            route = this.#router.known(relation) ?? (await this.#router.route(relation));
            places = route.topic === null ? null : fixedPlaces(route.topic);
          }
          const encoded = direct && this.#addBytes(change, route, at, outbox);
          if (!encoded) {
            read = change.kind === 'insert' && change.read === true;
            place.at = read ? rereadMoment(at) : at;
            lsn = change.lsn;
            place.lsn = lsn.toString();
          }
          const plain = !encoded && deadLetters === null;
          if (plain && route.byRow !== null) places = await placesOf(change, route, this.#router);
          if (plain) changeRecords(route.format, change, places?.moved === true ? { ...more, moved: true } : more);
          else if (!encoded && (await this.#deliver(change, outbox, { route, ...more }))) refused++;
        } catch (error) {
          if (deadLetters === null || route !== null) throw placed(error, placeOf(change));
          // The table has no form at all: each of its changes is refused.
          await deadLetters.refuse([{ change, error: refusal(error) }]);
          refused++;
        }
      }
      if (outbox.full) {
        await outbox.ship();
        signal.throwIfAborted();
      }
    }
    deadLetters?.passed(changes.length - refused);
  }

  /** A new row as it came, where its table's records can be made of bytes. False: by its cells. */
  #addBytes(change: RowChange, route: TopicRoute, at: Moment, outbox: Outbox): boolean {
    const row = newRowOf(change);
    const { bytes } = route.format.rows;
    if (row === null || bytes === null || route.byRow !== null || route.topic === null) return false;
    const op = change.kind === 'insert' ? 'c' : 'u';
    this.#records.change(route.format, bytes, { op, row, at, lsn: change.lsn });
    outbox.addEncoded(route.topic, this.#records);
    return true;
  }

  /** Where the file has dead letters: true where the change went there. */
  async #deliver(
    change: RowChange,
    outbox: Outbox,
    by: { readonly route: TopicRoute; readonly place: () => Place; readonly tombstones: boolean },
  ): Promise<boolean> {
    const { format } = by.route;
    let placed = 0;
    const place = () => {
      placed++;
      return by.place();
    };
    const { deadLetters, oversize, transactionMetadata } = this.#settings;
    const places = await placesOf(change, by.route, this.#router).catch(refusal);
    const failed =
      places instanceof PgsluiceError
        ? { refused: { error: places }, missing: null }
        : putWhole(outbox, { places, oversize }, (emit) =>
            changeRecords(format, change, { place, tombstones: by.tombstones, emit, moved: places.moved }),
          );
    if (failed === null) return false;
    await (deadLetters as DeadLetters).refuse([{ change, ...failed.refused }]);
    if (transactionMetadata) this.#log.missed(change.relation, failed.missing ?? placed);
    return true;
  }

  async #beginTransaction({ tx, lsn }: Change, outbox: Outbox, processed: string): Promise<void> {
    await this.#endTransaction(outbox);
    this.#tx = tx;
    // Outside of a transaction (a message) there is no time of a commit, nor metadata.
    if (tx.xid !== 0) this.#time = tx.commitTime;
    this.#moment = transactionMoment(tx, processed, this.#time ?? tx.commitTime);
    if (!this.#settings.transactionMetadata || tx.xid === 0) return;
    this.#log.begin(tx.xid, lsn);
    outbox.addBare(await this.#transactionTopic(), this.#log.key, this.#log.beginValue(this.#moment.ms));
  }

  async #endTransaction(outbox: Outbox): Promise<void> {
    const tx = this.#tx;
    if (tx === null) return;
    this.#tx = null;
    if (!this.#settings.transactionMetadata || this.#moment === null || tx.xid === 0) return;
    this.#log.end(tx.end ?? tx.finalLsn);
    outbox.addBare(await this.#transactionTopic(), this.#log.key, this.#log.endValue(this.#moment.ms));
  }

  async #transactionTopic(): Promise<Target> {
    const name = topicName(`${this.#settings.names.server}.transaction`);
    this.#transactions ??= await this.#router.named({ name }, transactionSchemas);
    return this.#transactions;
  }

  /** One record per table, without a key. */
  async #truncate(change: TruncateChange, outbox: Outbox, at: Moment): Promise<void> {
    const { truncate, transactionMetadata } = this.#settings;
    if (truncate === 'skip' || this.#settings.events !== null) return;
    for (const relation of change.relations) {
      const { topic, format } = await this.#router.route(relation);
      if (topic === null) throw unplacedTruncate(change, relation);
      const transaction = transactionMetadata ? this.#log.next(relation, change.lsn) : 'null';
      const value = truncate === 'error' ? null : format.truncate({ at, lsn: change.lsn.toString(), transaction });
      if (value === null) {
        throw kafkaError('PGS5019', 'the table was truncated', {
          where: { table: relationName(relation), lsn: formatLsn(change.lsn) },
        });
      }
      outbox.add(topic, null, value, null);
    }
  }

  async #message(change: MessageChange, outbox: Outbox, at: Moment): Promise<void> {
    const { messages, events, names, binary, transactionMetadata } = this.#settings;
    if (change.prefix === 'pgsluice') return;
    if (events?.takes(change.prefix) === true) return events.message(change, outbox, this.#router);
    if (!messages) return;
    const schemas = messageSchemas(names.version, binary === 'bytes' ? 'bytes' : 'string');
    this.#messages ??= await this.#router.named({ name: topicName(`${names.server}.message`) }, schemas);
    const key = `{"prefix":${jsonString(change.prefix)}}`;
    const { prefix, lsn } = change;
    const content = binaryText(binary, Buffer.from(change.content));
    const transaction = transactionMetadata && change.transactional ? this.#log.next(null, lsn) : 'null';
    outbox.addBare(
      this.#messages,
      key,
      messageValue(names, { prefix, content }, { at, lsn: lsn.toString(), transaction }),
    );
  }
}

function unplacedTruncate(change: TruncateChange, relation: Relation): PgsluiceError {
  return kafkaError('PGS5019', 'the table was truncated, and its rows are in topics that are chosen by row', {
    where: { table: relationName(relation), lsn: formatLsn(change.lsn) },
    remedy: 'Set `truncate: skip` and clear the readers of the topics yourself.',
  });
}
