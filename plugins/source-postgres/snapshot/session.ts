import type pg from 'pg';
import { type ErrorWhere, PgsluiceError } from '../../../core/base/error.ts';
import type { HandoffLsn, SnapshotLsn } from '../../../core/postgres/lsn.ts';
import type { CopyFormat, SnapshotQuery } from '../../../core/api/plan.ts';
import { type Oid, type Relation, relationName } from '../../../core/postgres/relation.ts';
import type { SourceRelations } from '../../../core/api/source.ts';
import type { StoredRows } from '../../../core/api/source-database.ts';
import type { LentSnapshot } from '../../../core/api/shared-copy.ts';
import type { CopyChunk, KeyCut, LargeObject, RawCopy, RowCopy, SnapshotSession } from '../../../core/api/snapshot.ts';
import { type LockWatch, watchLocks } from '../../../core/postgres/lock-watch.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { sourceError } from '../errors.ts';
import { lockWatchOf, type SourceAccess } from '../session.ts';
import { type TableSize, cutChunks } from './chunks.ts';
import { CopyOut } from './copy-out.ts';
import { copyLines, copyRows } from './copy-rows.ts';
import { copySql, guardSql } from './copy-sql.ts';
import { cutByKey, standingOf } from './key-ranges.ts';
import { readLargeObjects } from './large-objects.ts';
import { readStored } from '../ddl/stored-rows.ts';
import { SnapshotWorkers, type Worker } from './workers.ts';

export interface SessionPositions {
  readonly handoff: HandoffLsn | null;
  readonly exactAt: SnapshotLsn;
  readonly sees?: string;
}

/** Reads the source's tables on a connection that is in the snapshot. */
export type ReadTables = (client: pg.Client) => Promise<SourceRelations>;

/** Connections that all read one snapshot: `workers` for COPY, and one that holds it and answers small questions. */
export class PostgresSnapshot implements SnapshotSession {
  readonly handoff: HandoffLsn | null;
  readonly exactAt: SnapshotLsn;
  readonly sees?: string;
  readonly takenAt: bigint;
  readonly xid: number;
  readonly server: string;
  readonly #access: SourceAccess;
  /** The dump of the schema and the copies wait for whoever holds a table. */
  readonly #locks: LockWatch;
  readonly #workers: SnapshotWorkers;
  readonly #keeper: SnapshotWorkers;
  readonly #tables: ReadTables;
  /** Connections that were told to read by indexes. */
  readonly #byIndex = new WeakSet<pg.Client>();
  #sizes: Promise<ReadonlyMap<number, TableSize>> | null = null;

  private constructor(
    access: SourceAccess,
    positions: SessionPositions,
    held: {
      keeper: SnapshotWorkers;
      workers: SnapshotWorkers;
      takenAt: bigint;
      xid: number;
      server: string;
      tables: ReadTables;
    },
  ) {
    this.#access = access;
    this.handoff = positions.handoff;
    this.exactAt = positions.exactAt;
    if (positions.sees !== undefined) this.sees = positions.sees;
    this.#tables = held.tables;
    this.#keeper = held.keeper;
    this.#workers = held.workers;
    this.takenAt = held.takenAt;
    this.xid = held.xid;
    this.server = held.server;
    this.#locks = watchLocks(lockWatchOf(access));
  }

  /** Imports the snapshot on all connections; when it resolves, its exporter may go. */
  static async start(
    access: SourceAccess,
    snapshot: { readonly name: string; readonly workers: number; readonly tables: ReadTables },
    positions: SessionPositions,
  ): Promise<PostgresSnapshot> {
    const keeper = new SnapshotWorkers(access);
    const workers = new SnapshotWorkers(access);
    try {
      await keeper.start(snapshot.name, 1);
      await workers.start(snapshot.name, snapshot.workers);
      const taken = await ask(keeper, async (client) => {
        const { rows } = await client.query<{ at: string; xid: string; server: string }>(
          `SELECT (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint AS at,
                  pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1 AS xid,
                  (SELECT system_identifier FROM pg_control_system()) || ' since ' || pg_postmaster_start_time() AS server`,
        );
        const { at, xid, server } = rows[0]!;
        return { takenAt: BigInt(at), xid: Number(xid), server };
      });
      return new PostgresSnapshot(access, positions, { keeper, workers, tables: snapshot.tables, ...taken });
    } catch (error) {
      await keeper[Symbol.asyncDispose]();
      await workers[Symbol.asyncDispose]();
      throw fromPg(error, { connection: access.name });
    }
  }

  /** A snapshot that another process holds; null: nobody does any more. Names of snapshots are short, and another server may have one of the same name. */
  static async join(
    access: SourceAccess,
    lent: LentSnapshot,
    given: { readonly workers: number; readonly tables: ReadTables },
  ): Promise<PostgresSnapshot | null> {
    const { handoff, exactAt, name } = lent;
    const session = await PostgresSnapshot.start(access, { ...given, name }, { handoff, exactAt }).catch(
      (error: unknown) => {
        if (error instanceof PgsluiceError && error.code === 'PGS2120') return null;
        throw error;
      },
    );
    if (session === null) return null;
    if (session.server === lent.server) return session;
    await session[Symbol.asyncDispose]();
    const what = `the run reads server ${lent.server}, and ${access.name} is ${session.server}`;
    throw sourceError('PGS2191', what, { where: { connection: access.name } });
  }

  get name(): string {
    const name = this.#keeper.name ?? this.#workers.name;
    if (name === null) throw sourceError('PGS2120', 'no connection holds the snapshot any longer');
    return name;
  }

  relations(): Promise<SourceRelations> {
    return this.#ask(this.#tables);
  }

  async chunks(relation: Relation, chunkBytes: number): Promise<readonly CopyChunk[]> {
    this.#sizes ??= this.#ask(readSizes);
    let size = (await this.#sizes).get(relation.oid);
    // Small or unknown in the survey: one chunk. Large ones are measured again, as they may have grown since.
    if (size !== undefined && size.bytes > chunkBytes) size = await this.#ask((c) => readSize(c, relation));
    return cutChunks(relation, size ?? { pages: 0, bytes: 0 }, chunkBytes);
  }

  async keyRanges(relation: Relation, columns: readonly string[], chunkBytes: number): Promise<KeyCut | string> {
    const { bytes } = await this.#ask((client) => readSize(client, relation));
    return this.#ask((client) => cutByKey(client, relation, { columns, bytes, chunkBytes }));
  }

  standing(relation: Relation): Promise<string> {
    return this.#ask((client) => standingOf(client, relation));
  }

  stored(oids: readonly Oid[]): Promise<ReadonlyMap<Oid, StoredRows>> {
    return this.#ask((client) => readStored(client, oids));
  }

  async openRaw(chunk: CopyChunk, query: SnapshotQuery, format: CopyFormat, signal: AbortSignal): Promise<RawCopy> {
    return { kind: 'raw', chunk, format, frames: await this.#copy(chunk, query, format, signal) };
  }

  async openRows(chunk: CopyChunk, query: SnapshotQuery, signal: AbortSignal): Promise<RowCopy> {
    const frames = await this.#copy(chunk, query, 'text', signal);
    const at = { lsn: this.exactAt, takenAt: this.takenAt, xid: this.xid };
    return { kind: 'rows', chunk, rows: copyRows(frames, query.select.length), lines: copyLines(frames), at };
  }

  largeObjects(after: Oid, signal: AbortSignal): AsyncIterable<readonly LargeObject[]> {
    return readLargeObjects((question) => this.#ask(question), { after, connection: this.#access.name, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#locks.stop();
    await Promise.all([this.#workers[Symbol.asyncDispose](), this.#keeper[Symbol.asyncDispose]()]);
  }

  async #copy(
    chunk: CopyChunk,
    query: SnapshotQuery,
    format: CopyFormat,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<Buffer>> {
    const worker = await this.#acquire(signal);
    const sql = `${this.#scanSql(chunk, worker)}${guardSql(chunk, query, format)}; ${copySql(chunk, query, format)}`;
    const where: ErrorWhere = { connection: this.#access.name, table: relationName(chunk.relation), chunk: chunk.id };
    try {
      const copy = await CopyOut.start({ client: worker.client, sql, where, signal });
      return copy.frames((clean) => {
        if (clean) this.#workers.release(worker);
        else this.#workers.discard(worker);
      });
    } catch (error) {
      this.#workers.discard(worker);
      throw error;
    }
  }

  /** Statistics that are out of date must not turn a range of the key into a scan of the whole table, once for each range. */
  #scanSql({ range }: CopyChunk, { client }: Worker): string {
    if (range !== null && 'columns' in range) {
      this.#byIndex.add(client);
      return 'SET LOCAL enable_seqscan = off; ';
    }
    return this.#byIndex.delete(client) ? 'SET LOCAL enable_seqscan TO DEFAULT; ' : '';
  }

  async #ask<T>(question: (client: pg.Client) => Promise<T>): Promise<T> {
    try {
      return await ask(this.#keeper, question, () => this.#workers.name);
    } catch (error) {
      throw fromPg(error, { connection: this.#access.name });
    }
  }

  /** When every worker is gone, the one that holds the snapshot still lets new ones in. */
  async #acquire(signal: AbortSignal): Promise<Worker> {
    return await this.#workers.acquire(signal, () => this.#keeper.name);
  }
}

async function ask<T>(
  keeper: SnapshotWorkers,
  question: (client: pg.Client) => Promise<T>,
  other?: () => string | null,
): Promise<T> {
  const worker = await keeper.acquire(new AbortController().signal, other);
  try {
    const answer = await question(worker.client);
    keeper.release(worker);
    return answer;
  } catch (error) {
    // The transaction is aborted, and what it exported with it.
    keeper.discard(worker);
    throw error;
  }
}

const sizes = `SELECT c.oid, coalesce(pg_relation_size(c.oid) / current_setting('block_size')::int, 0),
                      coalesce(pg_table_size(c.oid), 0) FROM pg_class c`;

async function readSizes(client: pg.Client): Promise<ReadonlyMap<number, TableSize>> {
  const { rows } = await client.query<string[]>({
    text: `${sizes} WHERE c.relkind = 'r' AND c.relnamespace <> 'pg_catalog'::regnamespace`,
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  return new Map(rows.map(([oid, pages, bytes]) => [Number(oid), { pages: Number(pages), bytes: Number(bytes) }]));
}

async function readSize(client: pg.Client, relation: Relation): Promise<TableSize> {
  const { rows } = await client.query<string[]>({
    text: `${sizes} WHERE c.oid = $1`,
    values: [relation.oid],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  const row = rows[0];
  if (row === undefined) {
    throw sourceError('PGS2121', `table ${relationName(relation)} is gone`, {
      where: { table: relationName(relation) },
    });
  }
  return { pages: Number(row[1]), bytes: Number(row[2]) };
}
