import type { StreamBatch } from '../../../core/api/change.ts';
import { joinSteps, type LogClaim, type LogStep } from '../../../core/api/logs.ts';
import type { PluginContext } from '../../../core/api/context.ts';
import { type CommitLsn, formatLsn, parseLsn } from '../../../core/postgres/lsn.ts';
import type { Receipt, StreamSink } from '../../../core/api/sink.ts';
import { type ConnectionOptions, connect, disconnect } from '../../../core/postgres/connect.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { Applier } from './applier.ts';
import { Durability } from './durability.ts';
import { applyError } from './errors.ts';
import { type Detach, detachRefusing } from './detach-refusing.ts';
import { appliedLogs } from './applied-logs.ts';
import { claimLogs } from './logs.ts';
import { type ApplySession, openSession, type SessionInput, syncCommit } from './session.ts';

export interface ApplyOptions {
  /** What to do when an UPDATE or DELETE of the source finds no row in the target (I9). */
  readonly onMissing: 'error' | 'warn' | 'upsert';
  /** What DDL that is followed does with objects that depend on what it drops; default error. */
  readonly dependents?: 'error' | 'cascade';
}

export interface StreamSinkInput {
  readonly connection: ConnectionOptions;
  readonly pipeline: string;
  /** The sink's name; with the pipeline the key of its position. */
  readonly name: string;
  readonly options: ApplyOptions;
  readonly context: PluginContext;
  /** For a partition whose bound refuses a row. Without it none is detached: the trees are the user's. */
  readonly detach?: Detach | undefined;
  /** Where the position was left by several lanes: who applies in our place. Asked at each start. */
  readonly older?: (client: ApplySession['client']) => Promise<(StreamSink & AsyncDisposable) | null>;
  /** See {@link ApplierOptions}. */
  readonly onConstraint?: (client: ApplySession['client']) => Promise<void>;
  /** See {@link SessionInput}. */
  readonly waitForStandbys?: number;
  readonly shared?: boolean;
}

/** Milliseconds between positions that are written for batches without changes. */
const idleInterval = 1000;

interface Idle {
  readonly boundary: CommitLsn;
  readonly commitTime: bigint | null;
  readonly logs?: readonly LogStep[];
}

/**
 * The stream of the Postgres sink: rows and position in one target transaction (I4). One session, or one lane of
 * several.
 */
export class SessionStream implements StreamSink, AsyncDisposable {
  readonly #input: StreamSinkInput;
  #session: ApplySession | null = null;
  #applier: Applier | null = null;
  #durability = new Durability(null);
  /** Backend of the last session, when it may still be at work. */
  #previous: string | null = null;
  /** Last position given to the target, in a commit. */
  #position: CommitLsn | null = null;
  /** A later position with no changes up to it, not yet written. */
  #idle: Idle | null = null;
  #wroteAt = 0;
  #told = false;
  #instead: (StreamSink & AsyncDisposable) | null = null;
  /** Names of the other lanes whose positions move with each commit; empty: only our own. */
  together: readonly string[] = [];

  constructor(input: StreamSinkInput) {
    this.#input = input;
  }

  async resume(signal: AbortSignal): Promise<CommitLsn | null> {
    signal.throwIfAborted();
    await this.#close();
    await this.#instead?.[Symbol.asyncDispose]();
    this.#instead = null;
    const input: SessionInput = this.#input;
    const session = await openSession(input, this.#previous, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw fromPg(error, { connection: this.#input.name }, this.#input.context.debugValues);
    });
    this.#session = session;
    this.#previous = session.pid;
    this.#instead = (await this.#input.older?.(session.client)) ?? null;
    if (this.#instead !== null) {
      await this.#close();
      return this.#instead.resume(signal);
    }
    this.#position = session.position === null ? null : (parseLsn(session.position) as CommitLsn);
    this.#durability = new Durability(this.#position);
    this.#idle = null;
    this.#applier = new Applier(session, {
      dependents: 'error',
      ...this.#input.options,
      ...this.#input,
      together: () => this.together,
    });
    this.#tellRole(session);
    return this.#position;
  }

  /** The session, for statements between two transactions. */
  get session(): ApplySession {
    this.#ready();
    return this.#session as ApplySession;
  }

  /** Another lane moved our position, durably. `altered`: and the target's tables. */
  async standsAt(position: CommitLsn | null, altered: boolean): Promise<void> {
    this.#position = position;
    this.#idle = null;
    this.#durability = new Durability(position);
    if (altered) await this.#ready().forget();
  }

  async write(batch: StreamBatch, signal: AbortSignal): Promise<Receipt> {
    if (this.#instead !== null) return this.#instead.write(batch, signal);
    const applier = this.#ready();
    if (batch.boundary !== null && this.together.length === 0) this.#refuseOld(batch.boundary);
    const idle =
      !applier.open && batch.changes.every((change) => change.kind === 'message' && change.schema === undefined);
    if (idle) {
      if (batch.boundary === null) return this.#receipt();
      this.#idle = idleBehind(this.#idle, batch as StreamBatch & Idle);
      if (performance.now() - this.#wroteAt < idleInterval) return this.#receipt();
    }
    await this.#guarded(signal, async () => {
      const result = await applier.apply(idle ? { ...batch, ...this.#idle } : behindIdle(this.#idle, batch));
      if (batch.boundary === null) return;
      this.#position = batch.boundary;
      this.#idle = null;
      this.#wroteAt = performance.now();
      this.#durability.committed(batch.boundary, result.insertLsn);
      if (result.flushLsn !== null) this.#durability.flushed(result.flushLsn);
    });
    return this.#receipt();
  }

  claim(logs: ReadonlyMap<string, string>, signal: AbortSignal): Promise<ReadonlyMap<string, LogClaim>> {
    signal.throwIfAborted();
    return claimLogs(this.#input, logs).catch((error: unknown) => {
      throw fromPg(error, { connection: this.#input.name }, this.#input.context.debugValues);
    });
  }

  applied(ends: ReadonlyMap<string, bigint>, patience: number, signal: AbortSignal): Promise<readonly string[]> {
    return appliedLogs(this.#input, ends, patience, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw fromPg(error, { connection: this.#input.name }, this.#input.context.debugValues);
    });
  }

  prepare(batch: StreamBatch): void {
    if (batch.changes.some((change) => change.kind !== 'message')) this.#applier?.prepare(batch);
  }

  async flush(signal: AbortSignal): Promise<CommitLsn | null> {
    if (this.#instead !== null) return this.#instead.flush(signal);
    const applier = this.#ready();
    await this.#guarded(signal, async () => {
      if (applier.open) {
        if (this.#durability.pending) await this.#syncBeside();
        return;
      }
      const idle = this.#idle;
      if (idle !== null) {
        await applier.apply({ ...idle, changes: [], transactions: 0, bytes: 0, values: 'text' });
        this.#position = idle.boundary;
        this.#idle = null;
        this.#durability.committed(idle.boundary, null);
      }
      if (!this.#durability.pending) return;
      await syncCommit((this.#session as ApplySession).client, this.#input);
      this.#durability.synced();
    });
    return this.#durability.durable;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#instead?.[Symbol.asyncDispose]();
    await this.#close();
  }

  /** A transaction is open in our session: the synchronous commit goes through another one. */
  async #syncBeside(): Promise<void> {
    const { connection, name, pipeline } = this.#input;
    const client = await connect(connection, { name, applicationName: `pgsluice ${pipeline} flush`.slice(0, 63) });
    try {
      await syncCommit(client, this.#input);
      this.#durability.synced();
    } finally {
      await disconnect(client);
    }
  }

  #ready(): Applier {
    if (this.#applier !== null) return this.#applier;
    throw applyError('PGS3113', `sink ${this.#input.name} was used before it was resumed`);
  }

  /** I2: positions only grow; rows of a transaction that is in the target already would be there twice. */
  #refuseOld(boundary: CommitLsn): void {
    const last = this.#idle?.boundary ?? this.#position;
    if (last === null || boundary > last) return;
    throw applyError('PGS3109', `a transaction up to ${formatLsn(boundary)} came after ${formatLsn(last)}`, {
      where: { connection: this.#input.name, lsn: formatLsn(boundary) },
    });
  }

  /**
   * After a failure or an abort the session is given up: closing the socket makes the server roll back, and only
   * resume() starts again, from the position that the target then holds.
   */
  async #guarded(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    signal.throwIfAborted();
    const session = this.#session as ApplySession;
    const abort = () => destroy(session);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await work();
    } catch (error) {
      this.#applier = null;
      destroy(session);
      signal.throwIfAborted();
      await this.#detachRefusing(error, signal);
      throw fromPg(error, { connection: this.#input.name }, this.#input.context.debugValues);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Throws PGS3122, after which everything from the last position on is written again. */
  async #detachRefusing(error: unknown, signal: AbortSignal): Promise<void> {
    const { detach, context, name } = this.#input;
    const partition = detach === undefined ? null : await detachRefusing(error, detach, signal);
    if (partition === null) return;
    const table = relationName(partition);
    context.log.log('info', 'partition-apart', `${table} is detached until rows of the past are in`, { table });
    const message = `the bound of ${table} refused a row of the past; it is detached for now`;
    throw applyError('PGS3122', message, { where: { connection: name, table }, cause: error });
  }

  #receipt(): Receipt {
    const upTo = this.#durability.durable;
    return upTo === null ? { status: 'accepted' } : { status: 'durable', upTo };
  }

  #tellRole(session: ApplySession): void {
    if (!session.enforced || this.#told) return;
    this.#told = true;
    this.#input.context.log.log(
      'warn',
      'apply-in-order',
      'the user of the target may not set session_replication_role: foreign keys act, changes are applied one by one in order',
    );
  }

  async #close(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    this.#applier = null;
    if (session !== null) await disconnect(session.client);
  }
}

function destroy(session: ApplySession): void {
  (session.client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}

/** Steps of logs without changes wait for the next write. */
function idleBehind(before: Idle | null, { boundary, commitTime, logs }: Idle): Idle {
  if (logs === undefined) return { boundary, commitTime };
  return { boundary, commitTime, logs: joinSteps([...(before?.logs ?? []), ...logs]) };
}

function behindIdle(before: Idle | null, batch: StreamBatch): StreamBatch {
  // A batch that goes on does not move them yet.
  if (before?.logs === undefined || batch.logs === undefined || batch.boundary === null) return batch;
  return { ...batch, logs: joinSteps([...before.logs, ...batch.logs]) };
}
