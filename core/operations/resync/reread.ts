import { randomUUID } from 'node:crypto';
import type { Change, InsertChange, MessageChange, RowChange, StreamBatch, TransactionInfo } from '../../api/change.ts';
import { pause } from '../../base/backoff.ts';
import { PgsluiceError } from '../../base/error.ts';
import type { Signal } from '../../api/signal.ts';
import type { PlannedSink, RunContext } from '../../pipeline/open/instances.ts';
import { type ControlMessage, decodeControl, encodeControl } from '../../pipeline/control/control-message.ts';
import { relationName, type Relation } from '../../postgres/relation.ts';
import type { PartialTuple, Tuple } from '../../postgres/tuple.ts';
import { rereadJobs } from './ask-reread.ts';
import { keyOf } from './reread-key.ts';
import { type RereadJob, RereadQueue } from './reread-queue.ts';
import { readSignal, type SignalAction } from './signals.ts';

/** As Debezium's incremental.snapshot.chunk.size. */
const chunkRows = 1024;
const chunkBytes = 16 << 20;
/** Transactions from the stream whose writes a read must see: more than this cannot be waiting to become visible. */
const recentXids = 10_000;

type Asked = Pick<RereadJob, 'id' | 'table' | 'where'>;

interface Chunk {
  readonly relation: Relation;
  /** By key: rows that the stream has not changed since they were read. */
  readonly rows: Map<string, Tuple>;
  /** How many rows were read, and the last one's key; null: there were none. */
  readonly read: number;
  readonly after: readonly string[] | null;
  /** Id of the message at which the rows are handed to the sinks. */
  readonly high: string;
}

/**
 * Reads rows again beside the running stream, chunk by chunk, as DBLog does: at a first message in the stream a chunk
 * is read from the source; at a second message, written after the read, its rows go to the sinks, except those that the
 * stream has changed meanwhile. So a consumer never sees an older value of a key after a newer one. Every chunk is
 * durable in all sinks, with its place in the stream, before the next one is read; after a failure the chunk is read
 * again.
 */
export class Reread {
  readonly #context: RunContext;
  readonly #queue: RereadQueue;
  #chunk: Chunk | null = null;
  readonly #xids = new Set<number>();
  #tx: TransactionInfo | null = null;
  /** Tables of the stream, each in its latest shape. */
  #relations = new Map<string, Relation>();
  #last: { readonly relation: Relation; readonly holdsSignals: boolean } | null = null;
  #sinks: readonly PlannedSink[] = [];
  #signalTables: ReadonlySet<string> = new Set();

  constructor(context: RunContext) {
    this.#context = context;
    this.#queue = new RereadQueue(context.state);
  }

  /** A round of the stream begins with these sinks and their tables. */
  begin(sinks: readonly PlannedSink[]): void {
    this.#sinks = sinks;
    const relations = sinks.flatMap(({ plans }) => plans.map((plan) => plan.source));
    this.#relations = new Map(relations.map((relation) => [relationName(relation), relation]));
    this.#signalTables = new Set(sinks.flatMap(({ sink }) => sink.signals?.table ?? []));
  }

  /**
   * The stream begins, or begins again after a failure: the current job continues. The message that reports a chunk as
   * durable may be lost, so the chunk is read again.
   */
  resume(): void {
    this.#next();
  }

  /** Looks at a batch before the sinks get it; returns it with the rows of a chunk whose second message it holds. */
  async see(batch: StreamBatch): Promise<StreamBatch> {
    let out: Change[] | null = null;
    let bytes = 0;
    const { changes } = batch;
    for (let i = 0; i < changes.length; i++) {
      const change = changes[i] as Change;
      this.#remember(change);
      out?.push(change);
      if (change.kind === 'insert' && this.#last?.holdsSignals === true) await this.#signalRow(change);
      if (change.kind !== 'message') continue;
      const rows = await this.#message(change);
      if (rows.length === 0) continue;
      out ??= changes.slice(0, i + 1);
      for (const row of rows) {
        out.push(row);
        bytes += sizeOf(row.after);
      }
    }
    return out === null ? batch : { ...batch, changes: out, bytes: batch.bytes + bytes };
  }

  /** True: the message belongs to this job, and everything up to it is durable. */
  reached(id: string): boolean {
    const chunk = this.#chunk;
    const job = this.#queue.first;
    if (job === null || chunk?.high !== id) return id.startsWith(prefix);
    this.#advance(job, chunk).catch((error: unknown) => this.#failed(job, error));
    return true;
  }

  #remember(change: Change): void {
    if (change.kind === 'message') return;
    if (change.tx !== this.#tx) {
      this.#tx = change.tx;
      this.#xids.add(change.tx.xid);
      if (this.#xids.size > recentXids) this.#xids.delete(this.#xids.values().next().value as number);
    }
    if (change.kind !== 'truncate' && change.relation !== this.#last?.relation) this.#meet(change.relation);
    const chunk = this.#chunk;
    if (chunk === null || chunk.rows.size === 0) return;
    const name = relationName(chunk.relation);
    if (change.kind === 'truncate') {
      if (change.relations.some((relation) => relationName(relation) === name)) chunk.rows.clear();
    } else if (relationName(change.relation) === name) for (const key of keysOf(change)) chunk.rows.delete(key);
  }

  /** Rows that follow the message. */
  async #message(change: MessageChange): Promise<readonly InsertChange[]> {
    const control = decodeControl(change, this.#context.pipeline);
    if (control?.kind === 'reread') await this.#low(control);
    else if (control?.kind === 'signal') await this.#signal(control, change, control.id);
    else if (control?.kind === 'barrier' && this.#chunk !== null && control.id === this.#chunk.high) {
      const { relation, rows } = this.#chunk;
      if (this.#relations.get(relationName(relation)) !== relation) {
        // DDL came between the two messages: the rows would follow the new shape in the old shape.
        this.#chunk = null;
        this.#next();
        return [];
      }
      const { tx, lsn } = change;
      return [...rows.values()].map((after) => ({ kind: 'insert', relation, tx, lsn, after, read: true }));
    }
    return [];
  }

  #meet(relation: Relation): void {
    const name = relationName(relation);
    if (this.#relations.has(name)) this.#relations.set(name, relation);
    this.#last = { relation, holdsSignals: this.#signalTables.has(name) };
  }

  async #signalRow(row: InsertChange): Promise<void> {
    const [id, type, data] = row.after;
    // Users choose the ids of signals, and may use one twice.
    await this.#signal({ id: id ?? '', type: type ?? '', data: data ?? null }, row, `row:${row.lsn}`);
  }

  /**
   * `by`: the same each time that this signal is read. A signal that cannot be carried out is logged, and never ends
   * the run.
   */
  async #signal(signal: Signal, { tx, lsn }: InsertChange | MessageChange, by: string): Promise<void> {
    const { state, log } = this.#context;
    const last = state.get('signal-at');
    // The signal is read again after a crash: a stop must not stop what was requested after it.
    if (last !== null && (tx.finalLsn < last.commit || (tx.finalLsn === last.commit && lsn <= last.lsn))) return;
    const { id, type } = signal;
    const refused = (error: unknown, fields: object = {}) => {
      const why = error instanceof Error ? error.message : String(error);
      log.log('warn', 'signal-refused', `signal ${type} ${id}: ${why}`, { signal: id, type, ...fields });
    };
    try {
      const action = readSignal(signal);
      if (action.kind === 'nothing') return;
      log.log('info', 'signal', action.kind === 'log' ? action.message : `signal ${type} ${id}`, { signal: id, type });
      if (action.kind === 'execute') await this.#execute(action, by, refused);
      else await this.#obey(action);
    } catch (error) {
      if (error instanceof PgsluiceError) throw error;
      refused(error);
    }
    await state.put('signal-at', { commit: tx.finalLsn, lsn });
  }

  async #execute(
    { tables, filters }: Extract<SignalAction, { kind: 'execute' }>,
    by: string,
    refused: (error: unknown, fields?: object) => void,
  ): Promise<void> {
    const chosen = [...this.#relations].filter(([name]) => tables.some((table) => table.test(name)));
    if (chosen.length === 0) refused(new Error('data-collections matches no table of the stream'));
    for (const [table, relation] of chosen) {
      const where = filters.find((filter) => filter.table?.test(table) ?? true)?.where ?? null;
      try {
        const jobs = await rereadJobs(this.#sinks, [relation], where);
        await this.#queue.add(jobs.map((job) => ({ ...job, id: `${by}:${table}` })));
      } catch (error) {
        refused(error, { table });
      }
    }
    if (this.#chunk === null) this.#next();
  }

  async #obey(action: Exclude<SignalAction, { kind: 'execute' }>): Promise<void> {
    if (action.kind === 'pause') {
      this.#chunk = null;
      await this.#queue.pause();
    } else if (action.kind === 'resume') {
      await this.#queue.resume();
      this.#next();
    } else if (action.kind === 'stop') await this.#drop(action.tables);
  }

  async #drop(tables: readonly RegExp[] | null): Promise<void> {
    const gone = this.#queue.jobs.filter(({ table }) => tables?.some((each) => each.test(table)) ?? true);
    if (gone.some(({ id }) => id === this.#queue.jobs[0]?.id)) this.#chunk = null;
    for (const { id, rows } of gone) await this.#queue.finish({ id, rows, error: 'stopped by a signal' });
    if (this.#chunk === null) this.#next();
  }

  async #low({ id, table, where }: Asked): Promise<void> {
    // The request's own message, read again after the job was done.
    if (this.#queue.end(id) !== null) return;
    await this.#queue.add([{ id, table, where, after: null, rows: 0 }]);
    const job = this.#queue.first;
    if (job === null || job.id !== id) return;
    if (job.rows === 0) this.#context.log.log('info', 'reread-started', `reading rows of ${table} again`, { table });
    try {
      await this.#read(job);
    } catch (error) {
      // The stream begins again, and brings this message again.
      if (error instanceof PgsluiceError && error.retry === 'backoff') throw error;
      await this.#failed(job, error);
    }
  }

  async #read({ table, where, after: beyond }: RereadJob): Promise<void> {
    const { source, stop } = this.#context;
    const relation = this.#relations.get(table);
    if (relation === undefined) throw new Error(`${table} is not in the stream`);
    if (source.rows?.range === undefined) throw new Error('the source cannot read ranges of rows');
    const key = keyOf(relation);
    const rows = await source.rows.range(
      { relation, key, where, beyond, rows: chunkRows, bytes: chunkBytes, after: [...this.#xids] },
      stop,
    );
    const last = rows.at(-1);
    this.#chunk = {
      relation,
      rows: new Map(rows.map((row) => [keyText(row, key), row])),
      read: rows.length,
      after: last === undefined ? null : key.map((position) => last[position] as string),
      high: `${prefix}${randomUUID()}`,
    };
    await this.#emit({ kind: 'barrier', id: this.#chunk.high, after: 'go-on' });
  }

  async #advance(job: RereadJob, chunk: Chunk): Promise<void> {
    this.#chunk = null;
    const { id, table } = job;
    const rows = job.rows + chunk.read;
    if (chunk.after === null) {
      await this.#queue.finish({ id, rows, error: null });
      const text = `${rows} rows of ${table} were read again`;
      this.#context.log.log('info', 'reread-finished', text, { table, rows });
    } else await this.#queue.advance({ ...job, after: chunk.after, rows });
    this.#next();
  }

  /** Starts the first job of the queue. */
  #next(): void {
    const job = this.#queue.first;
    if (job === null) return;
    const { id, table, where } = job;
    this.#emit({ kind: 'reread', id, table, where }).catch((error: unknown) => this.#failed(job, error));
  }

  /** A broken connection is opened again, for as long as the run lasts. */
  async #emit(message: ControlMessage): Promise<void> {
    const { pipeline, source, stop } = this.#context;
    const { control } = source;
    if (control === undefined) throw new Error('the source takes no messages');
    for (;;) {
      try {
        await control.emit(encodeControl(pipeline, message), stop);
        return;
      } catch (error) {
        if (!(error instanceof PgsluiceError) || error.retry !== 'backoff') throw error;
        await pause(1000, stop);
      }
    }
  }

  /** The stream goes on without the job; a later run does not try it again. */
  async #failed({ id, table, rows }: RereadJob, error: unknown): Promise<void> {
    const { log, stop } = this.#context;
    if (stop.aborted) return;
    this.#chunk = null;
    const message = error instanceof Error ? error.message : String(error);
    log.log('warn', 'reread-failed', `rows of ${table} cannot be read again: ${message}`, { table });
    try {
      await this.#queue.finish({ id, rows, error: message });
      this.#next();
    } catch {
      // The checkpoint does not answer: another part of the run reports that.
    }
  }
}

/** Of ids of barriers that end a chunk. */
const prefix = 'reread:';

function keyText(row: PartialTuple, key: readonly number[]): string {
  return JSON.stringify(key.map((position) => row[position]));
}

function keysOf(change: RowChange): readonly string[] {
  const key = keyOf(change.relation);
  const images = [
    ...(change.kind === 'insert' || change.before === null ? [] : [change.before.tuple]),
    ...(change.kind === 'delete' ? [] : [change.after]),
  ];
  return images.map((row) => keyText(row, key));
}

function sizeOf(row: Tuple): number {
  let bytes = 0;
  for (const cell of row) bytes += cell?.length ?? 0;
  return bytes;
}
