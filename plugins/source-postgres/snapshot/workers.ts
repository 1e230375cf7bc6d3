import type pg from 'pg';
import { PgsluiceError } from '../../../core/base/error.ts';
import { destroy, disconnect } from '../../../core/postgres/connect.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { quoteLiteral } from '../../../core/postgres/quote.ts';
import { sourceError } from '../errors.ts';
import { type SourceAccess, openBulk, withClient } from '../session.ts';

/** A connection inside a transaction that reads the snapshot. `exported`: its own name for it, valid while it lives. */
export interface Worker {
  readonly client: pg.Client;
  readonly exported: string;
}

/**
 * Connections on one snapshot. Each exports the snapshot under a name of its own, so a connection that breaks can be
 * replaced as long as any one is left (manual: "Snapshot Synchronization Functions").
 */
export class SnapshotWorkers implements AsyncDisposable {
  readonly #access: SourceAccess;
  readonly #alive = new Set<Worker>();
  readonly #idle: Worker[] = [];
  readonly #waiting: (() => void)[] = [];
  /** Workers that may still be made in place of lost ones. */
  #missing = 0;
  #closed = false;

  constructor(access: SourceAccess) {
    this.#access = access;
  }

  /** Opens `count` connections on the snapshot called `name`. All or none. */
  async start(name: string, count: number): Promise<void> {
    const made = await Promise.allSettled(Array.from({ length: count }, () => this.#join([name])));
    for (const result of made) if (result.status === 'fulfilled') this.#idle.push(result.value);
    const failed = made.find((result) => result.status === 'rejected');
    if (failed === undefined) return;
    await this[Symbol.asyncDispose]();
    throw failed.reason;
  }

  /** A name of the snapshot that is importable now; null when no connection of these holds it. */
  get name(): string | null {
    const [first] = this.#alive;
    return first?.exported ?? null;
  }

  /** An idle worker, waiting for one if need be. `other` names the snapshot where all workers are gone. */
  async acquire(signal: AbortSignal, other?: () => string | null): Promise<Worker> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#closed) throw sourceError('PGS2120', 'the snapshot has been closed');
      const idle = this.#idle.pop();
      if (idle !== undefined) return idle;
      if (this.#missing > 0) {
        this.#missing--;
        return await this.#replace(other);
      }
      await this.#turn(signal);
    }
  }

  release(worker: Worker): void {
    if (this.#closed || !this.#alive.has(worker)) return;
    this.#idle.push(worker);
    this.#waiting.shift()?.();
  }

  /** Its connection is broken or in an unknown state. */
  discard(worker: Worker): void {
    destroy(worker.client);
    this.#drop(worker);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const idle = this.#idle.splice(0);
    for (const worker of this.#alive) if (!idle.includes(worker)) destroy(worker.client);
    this.#alive.clear();
    await Promise.all(idle.map((worker) => disconnect(worker.client)));
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #drop(worker: Worker): void {
    if (!this.#alive.delete(worker) || this.#closed) return;
    const at = this.#idle.indexOf(worker);
    if (at !== -1) this.#idle.splice(at, 1);
    this.#missing++;
    this.#waiting.shift()?.();
  }

  async #replace(other: (() => string | null) | undefined): Promise<Worker> {
    try {
      const names = [...this.#alive].map((worker) => worker.exported);
      const last = other?.() ?? null;
      return await this.#join(last === null ? names : [...names, last]);
    } catch (error) {
      this.#missing++;
      this.#waiting.shift()?.();
      throw error;
    }
  }

  #lost(cause?: unknown): PgsluiceError {
    return sourceError('PGS2120', 'no connection holds the snapshot any longer', {
      where: { connection: this.#access.name },
      ...(cause === undefined ? {} : { cause }),
    });
  }

  async #join(names: readonly string[]): Promise<Worker> {
    let last: unknown;
    for (const name of names) {
      const client = await openBulk(this.#access);
      try {
        return this.#adopt(await joinSnapshot(client, name));
      } catch (error) {
        destroy(client);
        last = error;
      }
    }
    if (last instanceof Error && !(last instanceof PgsluiceError) && names.length > 0) {
      const known = fromPg(last, { connection: this.#access.name });
      // The transaction that exported it has ended.
      if (!gone.has(known.where.sqlstate ?? '')) throw known;
    }
    throw this.#lost(last);
  }

  #adopt(worker: Worker): Worker {
    if (this.#closed) {
      destroy(worker.client);
      throw sourceError('PGS2120', 'the snapshot has been closed');
    }
    this.#alive.add(worker);
    worker.client.once('end', () => this.#drop(worker));
    return worker;
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        const at = this.#waiting.indexOf(wake);
        if (at !== -1) this.#waiting.splice(at, 1);
        resolve();
      };
      this.#waiting.push(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}

/** SQLSTATEs of SET TRANSACTION SNAPSHOT for a snapshot that is no longer there: up to 16, since 17 (snapmgr.c, ImportSnapshot). */
const gone: ReadonlySet<string> = new Set(['22023', '42704']);

async function joinSnapshot(client: pg.Client, name: string): Promise<Worker> {
  const results = (await client.query(
    `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ${quoteLiteral(name)}; ` +
      'SELECT pg_export_snapshot() AS exported',
  )) as unknown as pg.QueryResult<{ exported: string }>[];
  return { client, exported: results.at(-1)!.rows[0]!.exported };
}

/** Whether nobody can join the snapshot any more; for whoever failed for a reason that only words tell. */
export async function snapshotIsGone(access: SourceAccess, name: string, signal: AbortSignal): Promise<boolean> {
  const join = (client: pg.Client) => joinSnapshot(client, name).finally(() => client.query('ROLLBACK'));
  try {
    await withClient(access, signal, join);
    return false;
  } catch (error) {
    const known = error instanceof PgsluiceError ? error : fromPg(error, { connection: access.name });
    return gone.has(known.where.sqlstate ?? '');
  }
}
