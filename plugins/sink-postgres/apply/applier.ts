import type { Change, MessageChange, StreamBatch } from '../../../core/api/change.ts';
import type { PluginContext } from '../../../core/api/context.ts';
import type { DeadLetters } from '../../../core/api/dead-letter.ts';
import { PgsluiceError } from '../../../core/base/error.ts';
import { formatLsn, parseLsn } from '../../../core/postgres/lsn.ts';
import type { SchemaSteps } from '../../../core/api/schema-change.ts';
import { executeStep } from '../ddl/execute.ts';
import { schemaOptions } from '../ddl/options.ts';
import { ddlFailure } from '../ddl/failure.ts';
import { applyOneByOne } from '../dead-letter/one-by-one.ts';
import { isOfConstraint, isRefusal } from '../dead-letter/refusal.ts';
import { LookAhead, type RoundTrip } from './look-ahead.ts';
import { type BatchOptions, scriptBatch, writePosition } from './batch-script.ts';
import { behindBegin, writeSteps } from './logs.ts';
import { BufferPool, type Send } from './wire.ts';
import { Exchange, type ExchangeResult, finish, Script, type Steps } from './round-trip.ts';
import {
  Committed,
  failure,
  type FailureContext,
  isOutdated,
  isWorthReplay,
  tellMissing,
  wrongCount,
} from './failure.ts';
import type { ApplySession } from './session.ts';
import { nextSchema, TargetShapes, SetWiseFailures } from './shapes.ts';
import { stillTrue } from './still-true.ts';

export interface ApplierOptions {
  readonly pipeline: string;
  readonly name: string;
  readonly onMissing: 'error' | 'warn' | 'upsert';
  /** What DDL that is followed does with objects that depend on what it drops. */
  readonly dependents: 'error' | 'cascade';
  readonly context: PluginContext;
  /** Other sinks' names whose stored positions move with ours, where they are not ahead. */
  readonly together?: () => readonly string[];
  /** A constraint refused a row, which was rolled back: throws where that has a reason beside the row. */
  readonly onConstraint?: (client: ApplySession['client']) => Promise<void>;
}

/** WAL positions of the target after a commit; null where it cannot tell. */
export interface Applied {
  readonly insertLsn: bigint | null;
  readonly flushLsn: bigint | null;
}
const unknown: Applied = { insertLsn: null, flushLsn: null };

/** More prepared statements than this are given back between two batches. */
const maxPrepared = 2000;

/** Applies batches in one session. After it threw, the session is of no more use. */
export class Applier {
  readonly #session: ApplySession;
  readonly #options: ApplierOptions;
  readonly #setWiseFailures = new SetWiseFailures();
  readonly #pool = new BufferPool();
  readonly #shapes: TargetShapes;
  #open = false;
  /** The rows in hand are all written, and the target is at work; whether their transaction goes on behind them. */
  #waiting: { readonly open: boolean } | null = null;
  /** What is to be prepared then. */
  #asked: StreamBatch | null = null;
  #ahead: { readonly trip: LookAhead; readonly epoch: number } | null = null;

  constructor(session: ApplySession, options: ApplierOptions) {
    this.#session = session;
    this.#options = options;
    const { pipeline, context } = options;
    this.#shapes = new TargetShapes(session, { pipeline, sink: context.name }, context.log);
  }

  /** Somebody else altered the target: what is known of it is learnt again. */
  async forget(): Promise<void> {
    this.#shapes.forget();
    this.#session.prepared.forget();
    await this.#session.client.query('DEALLOCATE ALL');
  }

  /** A transaction goes on: batches without a boundary came. */
  get open(): boolean {
    return this.#open;
  }

  /**
   * Applies a batch; with a boundary the transaction is committed when this resolves. What fails set-wise is rolled
   * back and tried again in order; only that decides whether it is an error, and of which change.
   */
  async apply(batch: StreamBatch): Promise<Applied> {
    this.#asked = null;
    return this.#apply(batch);
  }

  /**
   * Writes what the batch behind the one in hand will need, as far as that is known by now: the target then begins with it
   * without waiting for us. Sends nothing, so whatever the one in hand comes to, nothing has happened. It waits until that one
   * is written to its end: statements are prepared by whoever is written first.
   */
  prepare(batch: StreamBatch): void {
    this.#asked = batch;
    this.#lookAhead();
  }

  #lookAhead(): void {
    if (this.#asked === null || this.#waiting === null || this.#ahead !== null) return;
    const { changes, values, logs } = this.#asked;
    const { open } = this.#waiting;
    const asked = this.#asked;
    this.#asked = null;
    if (changes.length === 0 || nextSchema(changes) !== -1 || !this.#shapes.knows(changes)) return;
    const exchange = new Exchange(this.#session.client);
    const trip = new LookAhead({ changes, open, logs }, exchange, (send) => this.#scriptTo(send, values));
    const { epoch } = this.#session.prepared;
    try {
      this.#begin(trip.script, open, asked);
      trip.write(scriptBatch(trip.script, changes, this.#batchOptions(false)));
      this.#ahead = { trip, epoch };
    } catch {
      // When its turn comes it is an error with a place; the statements that it noted as prepared are not.
      this.#session.prepared.forget();
    }
  }

  /** What {@link prepare} wrote of a batch; null where nothing was, or something happened since. */
  #prepared(batch: StreamBatch): { readonly trip: RoundTrip; readonly steps: Steps } | null {
    const ahead = this.#ahead;
    if (ahead === null) return null;
    this.#ahead = null;
    const { trip, epoch } = ahead;
    if (epoch !== this.#session.prepared.epoch) return null;
    if (trip.of.changes === batch.changes && trip.of.open === this.#open && trip.of.logs === batch.logs)
      return { trip, steps: trip.release() };
    this.#session.prepared.forget();
    return null;
  }

  async #apply(batch: StreamBatch): Promise<Applied> {
    let rest = batch.changes;
    for (let at = nextSchema(rest); at !== -1; at = nextSchema(rest)) {
      const before = { ...batch, changes: rest.slice(0, at), boundary: null, commitTime: null };
      if (at > 0) await this.#applyRows(before);
      await this.#alter(rest[at] as MessageChange);
      rest = rest.slice(at + 1);
    }
    return this.#applyRows(rest === batch.changes ? batch : { ...batch, changes: rest });
  }

  /** DDL in its place, in the transaction of the rows around it: a restart finds both or neither (I4). */
  async #alter({ schema, lsn }: MessageChange): Promise<void> {
    const { client } = this.#session;
    const { table, steps } = schema as SchemaSteps;
    if (!this.#open) await client.query('BEGIN');
    this.#open = true;
    try {
      // Checks that wait for the commit would keep the table from being altered.
      if (this.#session.enforced) await client.query('SET CONSTRAINTS ALL IMMEDIATE');
      for (const step of steps) {
        const statements = await executeStep(client, step, schemaOptions(this.#session, this.#options));
        const fields = { table, lsn: formatLsn(lsn) };
        for (const sql of statements) this.#options.context.log.log('info', 'ddl-followed', sql, fields);
      }
      if (this.#session.enforced) await client.query('SET CONSTRAINTS ALL DEFERRED');
    } catch (error) {
      throw ddlFailure(error, { table, lsn: formatLsn(lsn), connection: this.#options.name });
    }
    this.#shapes.forget();
    await client.query('DEALLOCATE ALL');
  }

  async #applyRows(batch: StreamBatch): Promise<Applied> {
    await this.#shapes.learn(batch, this.#open);
    try {
      return await this.#attempt(batch, false);
    } catch (error) {
      if (error instanceof Committed) return this.#committed();
      if (!isWorthReplay(error) && !isOutdated(error)) throw error;
      this.#distrust(error);
      if (!(await this.#rollback())) throw error;
    }
    await this.#shapes.learn(batch, this.#open);
    try {
      return await this.#attempt(batch, true);
    } catch (error) {
      if (error instanceof Committed) return this.#committed();
      // A letter says its change in text; where there may be letters, text was asked for.
      const letters = batch.values === 'text' ? this.#options.context.deadLetters : undefined;
      const { onConstraint } = this.#options;
      const asked = onConstraint !== undefined && isOfConstraint(error);
      if (!(asked || letters !== undefined) || !isRefusal(error) || !(await this.#rollback())) throw error;
      if (asked) await onConstraint(this.#session.client);
      if (letters === undefined) throw error;
      return this.#applyOneByOne(batch, letters);
    }
  }

  /** Where the file has dead letters: the batch without the changes that the target refuses. */
  async #applyOneByOne(batch: StreamBatch, letters: DeadLetters): Promise<Applied> {
    const { context, name, onMissing } = this.#options;
    await this.#shapes.learn(batch, this.#open);
    if (!this.#open) {
      const begin = this.#script('text');
      this.#begin(begin.script, false, null);
      await this.#run(begin, { commit: Number.POSITIVE_INFINITY, position: -1 });
      this.#open = true;
    }
    await applyOneByOne(batch.changes, {
      session: this.#session,
      name,
      debugValues: context.debugValues,
      letters,
      emit: (script, change) => finish(scriptBatch(script, [change], this.#batchOptions(true))),
      tolerates: (count, expected) => count < expected && onMissing === 'warn',
      check: (script, result) => this.#check(script, result),
    });
    // The position is all that is left to write, before the commit.
    try {
      return await this.#attempt({ ...batch, changes: [] }, true, batch.changes);
    } catch (error) {
      if (error instanceof Committed) return this.#committed();
      throw error;
    }
  }

  #committed(): Applied {
    this.#open = false;
    return unknown;
  }

  /** `written`: what the target holds of it at the end, in this attempt or before it. */
  async #attempt(batch: StreamBatch, strict: boolean, written = batch.changes): Promise<Applied> {
    const applied = await this.#tryAll(batch, strict, written);
    this.#options.context.deadLetters?.passed(batch.changes.length);
    return applied;
  }

  async #tryAll(batch: StreamBatch, strict: boolean, written: readonly Change[]): Promise<Applied> {
    const { trip: first, steps } = (strict ? null : this.#prepared(batch)) ?? this.#written(batch, strict);
    const { script } = first;
    await this.#write(first, steps);
    const guard = this.#guard(script, written);
    if (batch.boundary === null) {
      if (this.#open) script.control('RELEASE SAVEPOINT pgsluice_batch');
      await this.#run(first, { commit: Number.POSITIVE_INFINITY, position: -1, guard }, { open: true });
      this.#open = true;
      return unknown;
    }
    // Nothing to look at before the commit: it goes in the same round trip.
    const atOnce = !script.mustCheck;
    const moved = !this.#open && batch.logs !== undefined && batch.boundary !== null;
    const own = moved ? behindBegin : script.steps;
    const position = batch.logs === undefined ? { position: own } : { position: -1, logs: own };
    if (!moved) this.#position(script, batch);
    const behind = { open: false };
    if (!atOnce) await this.#run(first, { commit: Number.POSITIVE_INFINITY, ...position, guard }, behind);
    const last = atOnce ? first : this.#script('text');
    const commit = last.script.steps;
    last.script.control('COMMIT');
    if (this.#session.tellsFlush) {
      last.script.control('SELECT pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn()');
    }
    const result = await this.#run(last, atOnce ? { commit, ...position, guard } : { commit, position: -1 }, behind);
    this.#open = false;
    this.#setWiseFailures.batchDone();
    await this.#trimPrepared();
    const [insert, flush] = result.row ?? [];
    if (!this.#session.tellsFlush || typeof insert !== 'string' || typeof flush !== 'string') return unknown;
    return { insertLsn: parseLsn(insert), flushLsn: parseLsn(flush) };
  }

  /** Behind the rows: what was read of their tables still holds. Returns its step. */
  #guard(script: Script, changes: readonly Change[]): number {
    const facts = this.#shapes.facts(changes);
    if (facts === null) return -1;
    script.own(stillTrue, facts);
    return script.steps - 1;
  }

  #script(values: StreamBatch['values']): RoundTrip {
    const exchange = new Exchange(this.#session.client);
    return { exchange, script: this.#scriptTo(exchange.send, values) };
  }

  #scriptTo(send: Send, values: StreamBatch['values']): Script {
    return new Script(this.#session.prepared, { send, pool: this.#pool, binary: values === 'binary' });
  }

  #written(batch: StreamBatch, strict: boolean): { readonly trip: RoundTrip; readonly steps: Steps } {
    const trip = this.#script(batch.values);
    this.#begin(trip.script, this.#open, batch);
    return { trip, steps: scriptBatch(trip.script, batch.changes, this.#batchOptions(strict)) };
  }

  /** What cannot be written is an error of ours, perhaps with statements on their way: the round trip is ended first. */
  async #write({ script, exchange }: RoundTrip, steps: Steps): Promise<void> {
    try {
      finish(steps);
    } catch (error) {
      if (exchange.begun) {
        script.finish();
        await exchange.result.catch(() => {});
      }
      throw error;
    }
  }

  #batchOptions(strict: boolean): BatchOptions {
    return {
      enforced: this.#session.enforced,
      strict,
      lenient: this.#options.onMissing === 'upsert',
      shape: (relation) => this.#shapes.get(relation),
      distrusted: (table) => this.#setWiseFailures.distrusted(table),
    };
  }

  #begin(script: Script, open: boolean, batch: StreamBatch | null): void {
    if (open) {
      script.control('SAVEPOINT pgsluice_batch');
      return;
    }
    script.control('BEGIN');
    // A batch that goes on in the next one does not say yet how far its logs are read.
    if (batch?.logs !== undefined && batch.boundary !== null) writeSteps(script, this.#options, batch.logs);
    if (this.#session.enforced) script.control('SET CONSTRAINTS ALL DEFERRED');
  }

  #position(script: Script, batch: StreamBatch): void {
    if (batch.logs !== undefined) return writeSteps(script, this.#options, batch.logs);
    const { pipeline, name, together } = this.#options;
    writePosition(script, { pipeline, name, together: together?.() ?? [] }, batch);
  }

  /** Runs a script and looks at every count. */
  async #run(
    { script, exchange }: RoundTrip,
    at: Pick<FailureContext, 'commit' | 'position' | 'guard' | 'logs'>,
    waiting: { readonly open: boolean } | null = null,
  ): Promise<ExchangeResult> {
    const { debugValues } = this.#options.context;
    script.finish();
    this.#waiting = waiting;
    this.#lookAhead();
    const result = await exchange.result
      .catch((error: unknown) => {
        throw failure(error, script, { ...at, debugValues, name: this.#options.name });
      })
      .finally(() => (this.#waiting = null));
    this.#check(script, result);
    return result;
  }

  #check(script: Script, { counts }: ExchangeResult): void {
    let missing: Map<string, number> | null = null;
    for (let i = 0; i < script.expected.length; i++) {
      const expected = script.expected[i] as number;
      const count = counts[i] as number;
      if (expected === -1 || count === expected) continue;
      const table = script.tables[i] as string;
      const fewer = count < expected && this.#options.onMissing === 'warn' && table !== '';
      if (!fewer) throw wrongCount(script, i, count, this.#options.name);
      missing ??= new Map();
      missing.set(table, (missing.get(table) ?? 0) + expected - count);
    }
    if (missing !== null) tellMissing(missing, this.#options.context);
  }

  /** Back to before the batch. False: the whole transaction is gone, with what earlier batches did in it. */
  async #rollback(): Promise<boolean> {
    const { client } = this.#session;
    // The target may have been altered: everything learnt of it is learnt again.
    this.#shapes.forget();
    if (this.#open) {
      try {
        await client.query('ROLLBACK TO SAVEPOINT pgsluice_batch');
      } catch {
        return false;
      }
      await client.query('RELEASE SAVEPOINT pgsluice_batch');
    } else await client.query('ROLLBACK');
    await client.query('DEALLOCATE ALL');
    return true;
  }

  #distrust(error: unknown): void {
    if (!(error instanceof PgsluiceError)) return;
    const { table, sqlstate } = error.where;
    if (table === undefined) return;
    this.#setWiseFailures.failed(table);
    const { log } = this.#options.context;
    const why = { table, code: error.code, sqlstate, message: error.message };
    log.log('debug', 'apply-replay', 'a batch is applied again in order', why);
  }

  async #trimPrepared(): Promise<void> {
    if (this.#session.prepared.size < maxPrepared) return;
    this.#session.prepared.forget();
    await this.#session.client.query('DEALLOCATE ALL');
  }
}
