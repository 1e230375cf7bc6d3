import type { Tuple } from '../../core/postgres/tuple.ts';
import type { DeadLetters } from '../../core/api/dead-letter.ts';
import { PgsluiceError } from '../../core/base/error.ts';
import type { TablePlan } from '../../core/api/plan.ts';
import { relationName } from '../../core/postgres/relation.ts';
import type { LoadResult, SnapshotSink } from '../../core/api/sink.ts';
import type { RawCopy, RowCopy, SinkPreparation } from '../../core/api/snapshot.ts';
import type { Producer, Target } from './client/producer.ts';
import { putWhole, refusal } from './dead-letter.ts';
import { kafkaError, placed } from './errors.ts';
import { positionRecord, positionTopic } from './position.ts';
import type { Place } from './records/envelope.ts';
import { readValue } from './records/format.ts';
import { CopyLines } from './records/copy-lines.ts';
import { now, processedAt, snapshotMoment, type SnapshotMark } from './records/moment.ts';
import type { RowBytes } from './records/row-bytes.ts';
import { RowRecords } from './records/row-records.ts';
import { type Template, templateOf } from './records/template.ts';
import type { Outbox } from './outbox.ts';
import { readPlaces } from './places.ts';
import { copyRows, emptyTable } from './journal/copy.ts';
import { journalTopic, type TopicRoute, type Router } from './router.ts';
import { type ChunkMarks, SnapshotMarks, runsWithLast, withLast } from './snapshot-marks.ts';
import type { EventDelivery } from './event-router/delivery.ts';
import { outboxOf, type WriterParts } from './writer.ts';

/** Transactional ids of loads that a killed run may have left open; more workers than this wait for a timeout. */
const fencedSlots = 8;

/**
 * The bulk plane: rows as records with op `r`. Each load has a producer of its own, as an idempotent producer is safe only
 * with one send at a time; under exactly_once a chunk is one Kafka transaction.
 */
export class KafkaSnapshot implements SnapshotSink {
  readonly #parts: WriterParts;
  readonly #router: Router;
  /** Numbers of loads under way, for transactional ids. */
  readonly #slots = new Set<number>();
  readonly #marks = new SnapshotMarks();
  /** `format: pgsluice`: its topic. */
  #journal: Target | null = null;
  /** An earlier run may have begun to copy. */
  #again = false;
  readonly #begun = new Set<string>();
  readonly #idle: { readonly slot: number; readonly producer: Producer }[] = [];

  constructor(parts: WriterParts, router: Router) {
    this.#parts = parts;
    this.#router = router;
  }

  async prepare(preparation: SinkPreparation): Promise<void> {
    const { exactlyOnce, positionTopic: name, replicationFactor, journal } = this.#parts.settings;
    this.#again = preparation.again !== undefined;
    for (const table of preparation.recopied ?? []) this.#begun.add(table);
    if (journal !== null) this.#journal = await journalTopic(this.#router, journal);
    else await this.#router.prepare(preparation.plans.map((plan) => plan.output));
    this.#marks.prepare(preparation.plans.length);
    if (!exactlyOnce) return;
    await this.#router.named(positionTopic(name, replicationFactor));
    const slots = Array.from({ length: fencedSlots }, (_, slot) => slot);
    await Promise.all(
      slots.map(async (slot) => {
        const producer = this.#parts.connection.producer(this.#transactionalId(slot));
        try {
          await producer.connect();
        } finally {
          await producer.close();
        }
      }),
    );
  }

  /** What a broken copy wrote stays in the log: its rows are sent again, and changes since the first handoff mend the rest. */
  async begin(plan: TablePlan, chunks: number): Promise<void> {
    const table = relationName(plan.source);
    this.#marks.begin(table, chunks);
    if (this.#journal !== null) {
      if (this.#again || this.#begun.has(table)) await this.#empty(plan, this.#journal);
      this.#begun.add(table);
      return;
    }
    if (this.#parts.settings.events === null) await this.#routeOf(plan);
  }

  readonly load = async (plan: TablePlan, copy: RawCopy | RowCopy, signal: AbortSignal): Promise<LoadResult> => {
    if (copy.kind === 'raw') {
      throw kafkaError('PGS5018', 'raw frames cannot become records', { where: { table: relationName(plan.output) } });
    }
    const { slot, producer } = await this.#take();
    try {
      const result = await this.#copy(plan, copy, { slot, producer, signal });
      this.#idle.push({ slot, producer });
      return result;
    } catch (error) {
      await producer.close();
      throw placed(error, { table: relationName(plan.source) });
    } finally {
      this.#slots.delete(slot);
    }
  };

  /** Every load ends acknowledged by all in-sync replicas. */
  async loaded(): Promise<void> {}

  async finishTable(): Promise<void> {}

  async finish(): Promise<void> {
    await this.close();
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map(({ producer }) => producer.close()));
  }

  /** In a journal a table is in one partition, so what a broken copy wrote can be taken back at its place. */
  async #empty(plan: TablePlan, topic: Target): Promise<void> {
    const { slot, producer } = await this.#take();
    const { settings } = this.#parts;
    try {
      await producer.begin(positionRecord(settings.positionTopic, this.#transactionalId(slot), null));
      const outbox = outboxOf(settings, producer);
      emptyTable(plan, topic, outbox);
      await outbox.drain();
      await producer.commit();
      this.#idle.push({ slot, producer });
    } catch (error) {
      await producer.close();
      throw error;
    } finally {
      this.#slots.delete(slot);
    }
  }

  async #take(): Promise<{ slot: number; producer: Producer }> {
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      this.#slots.add(idle.slot);
      return idle;
    }
    let slot = 0;
    while (this.#slots.has(slot)) slot++;
    this.#slots.add(slot);
    const { settings, connection } = this.#parts;
    const producer = connection.producer(settings.exactlyOnce ? this.#transactionalId(slot) : null);
    try {
      await producer.connect();
    } catch (error) {
      this.#slots.delete(slot);
      await producer.close();
      throw error;
    }
    return { slot, producer };
  }

  #transactionalId(slot: number): string {
    return `${this.#parts.settings.transactionalId}.snapshot.${slot}`;
  }

  async #copy(
    plan: TablePlan,
    copy: RowCopy,
    by: { readonly slot: number; readonly producer: Producer; readonly signal: AbortSignal },
  ): Promise<LoadResult> {
    const { settings } = this.#parts;
    const outbox = outboxOf(settings, by.producer);
    if (settings.exactlyOnce) {
      await by.producer.begin(positionRecord(settings.positionTopic, this.#transactionalId(by.slot), null));
    }
    const marks = this.#marks.chunk(relationName(plan.source), copy.chunk.id);
    try {
      if (this.#journal !== null) await copyRows(copy, { plan, outbox, topic: this.#journal, signal: by.signal });
      else if (settings.events !== null) await this.#events(settings.events, copy, { plan, outbox, signal: by.signal });
      else await this.#records(plan, copy, { outbox, marks, signal: by.signal });
      marks.end();
      await outbox.drain();
      by.signal.throwIfAborted();
      if (settings.exactlyOnce) await by.producer.commit();
    } catch (error) {
      marks.failed();
      throw error;
    }
    return { rows: BigInt(outbox.records), bytes: outbox.sentBytes };
  }

  async #records(
    plan: TablePlan,
    copy: RowCopy,
    to: { readonly outbox: Outbox; readonly marks: ChunkMarks; readonly signal: AbortSignal },
  ): Promise<void> {
    const { outbox, marks, signal } = to;
    const { settings } = this.#parts;
    const route = await this.#routeOf(plan);
    const rows = { route, places: placesOf(copy), marks, plan, signal };
    if (settings.deadLetters === null && copy.lines !== undefined && hasColumns(route)) {
      await sendLines(copy.lines, outbox, { ...rows, route });
    } else {
      for await (const { item, last } of withLast(copy.rows)) {
        signal.throwIfAborted();
        if (settings.deadLetters !== null) await this.#carefully(item, outbox, { ...rows, last });
        else await sendRows(item, outbox, { ...rows, route: route as TopicRoute, router: this.#router, last });
      }
    }
  }

  /** `format: outbox`: what is in the table is sent as what comes later is. */
  async #events(
    events: EventDelivery,
    copy: RowCopy,
    to: { readonly plan: TablePlan; readonly outbox: Outbox; readonly signal: AbortSignal },
  ): Promise<void> {
    const relation = to.plan.reading?.output ?? to.plan.output;
    for await (const rows of copy.rows) {
      to.signal.throwIfAborted();
      for (const row of rows) {
        const change = { kind: 'read', relation, after: row } as const;
        const sent = await events.row({ change, relation, row }, to.outbox, this.#router);
        if (sent) this.#parts.settings.deadLetters?.passed(1);
        if (to.outbox.full) await to.outbox.ship();
      }
    }
  }

  /** An error instead, where the file has dead letters and the table has no form: for each of its rows. */
  async #routeOf({ output, reading }: TablePlan): Promise<TopicRoute | PgsluiceError> {
    try {
      return await this.#router.route(reading?.output ?? output);
    } catch (error) {
      if (this.#parts.settings.deadLetters === null) throw error;
      return refusal(error);
    }
  }

  /** Where the file has dead letters. */
  async #carefully(
    rows: readonly Tuple[],
    outbox: Outbox,
    by: RowsOf & { readonly route: TopicRoute | PgsluiceError; readonly plan: TablePlan; readonly last: boolean },
  ): Promise<void> {
    const { route, places, marks, plan, last } = by;
    const { deadLetters, oversize } = this.#parts.settings;
    const letters = deadLetters as DeadLetters;
    const relation = plan.output;
    for (const [i, row] of rows.entries()) {
      const place = places(marks.next(last && i === rows.length - 1));
      const to = 'reading' in route ? await readPlaces(row, route, this.#router).catch(refusal) : route;
      const failed =
        to instanceof PgsluiceError || !('reading' in route)
          ? { error: to as PgsluiceError }
          : putWhole(outbox, { places: to, oversize }, (emit) =>
              emit(route.reading.rows.keyOf(row), readValue(route.reading, row, place), null, 'new'),
            )?.refused;
      if (failed === undefined) letters.passed(1);
      else await letters.refuse([{ change: { kind: 'read', relation, after: row }, ...failed }]);
      if (outbox.full) await outbox.ship();
    }
  }
}

interface RowsOf {
  readonly places: (mark: SnapshotMark) => Place;
  readonly marks: ChunkMarks;
}

/** Made once for each mark. */
function placesOf(copy: RowCopy): (mark: SnapshotMark) => Place {
  const processed = processedAt(now());
  const from = { takenAt: copy.at?.takenAt ?? now(), lsn: copy.at?.lsn ?? null, xid: copy.at?.xid ?? null };
  const made = new Map<SnapshotMark, Place>();
  return (mark) => {
    let place = made.get(mark);
    if (place === undefined) {
      const at = snapshotMoment(from, processed, mark);
      place = { at, lsn: at.lsn ?? 'null', transaction: 'null' };
      made.set(mark, place);
    }
    return place;
  };
}

async function sendRows(
  rows: readonly Tuple[],
  outbox: Outbox,
  by: RowsOf & { readonly route: TopicRoute; readonly router: Router; readonly last: boolean },
): Promise<void> {
  const { readingTopic, byRow, reading } = by.route;
  for (const [i, row] of rows.entries()) {
    const place = by.places(by.marks.next(by.last && i === rows.length - 1));
    if (byRow === null)
      outbox.add(readingTopic as Target, reading.rows.keyOf(row), readValue(reading, row, place), null);
    else {
      const places = await readPlaces(row, by.route, by.router);
      const headers = places.headers('new', null);
      outbox.add(places.target('new'), reading.rows.keyOf(row), readValue(reading, row, place), headers);
    }
    if (outbox.full) await outbox.ship();
  }
}

type BytesRoute = TopicRoute & {
  readonly readingTopic: Target;
  readonly reading: { readonly rows: { readonly bytes: RowBytes } };
};

function hasColumns(route: TopicRoute | PgsluiceError): route is BytesRoute {
  return 'reading' in route && route.byRow === null && route.reading.rows.bytes !== null;
}

/** Rows as they came from COPY, without a string on the way. */
async function sendLines(
  lines: AsyncIterable<Buffer>,
  outbox: Outbox,
  by: RowsOf & { readonly route: BytesRoute; readonly signal: AbortSignal },
): Promise<void> {
  const { readingTopic, reading } = by.route;
  const { bytes, relation } = reading.rows;
  const templates = new Map<SnapshotMark, Template>();
  const templateFor = (mark: SnapshotMark): Template => {
    let template = templates.get(mark);
    if (template === undefined) {
      template = templateOf(reading.template('r', by.places(mark)));
      templates.set(mark, template);
    }
    return template;
  };
  const rows = new CopyLines(relation.columns.length);
  const record = new RowRecords();
  for await (const { item, last } of runsWithLast(lines)) {
    by.signal.throwIfAborted();
    rows.load(item);
    while (rows.next()) {
      record.row(bytes, rows, templateFor(by.marks.next(last && rows.atEnd)), 0n);
      outbox.addEncoded(readingTopic, record);
      if (outbox.full) await outbox.ship();
    }
  }
}
