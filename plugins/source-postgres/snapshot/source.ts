import type { KeyFit, SnapshotSession } from '../../../core/api/snapshot.ts';
import type { SnapshotReplica, SnapshotSource, SnapshotStart } from '../../../core/api/source-database.ts';
import type { LentSnapshot } from '../../../core/api/shared-copy.ts';
import type { HandoffLsn, SnapshotLsn } from '../../../core/postgres/lsn.ts';
import type { Relation } from '../../../core/postgres/relation.ts';
import { type SourceAccess, ask, withClient } from '../session.ts';
import { createOwnSlot, createSlot, dropSlot, temporaryName } from '../slot.ts';
import { exportSnapshot } from './export.ts';
import { fitOf } from './key-ranges.ts';
import { Replica } from './replica.ts';
import { PostgresSnapshot, type ReadTables, type SessionPositions } from './session.ts';

type Again = Extract<SnapshotStart, { kind: 'again' }>;
type OnlyBefore = Extract<SnapshotStart, { kind: 'only' }>['before'];

export class PostgresSnapshots implements SnapshotSource {
  readonly replicas: readonly SnapshotReplica[];
  readonly #access: SourceAccess;
  readonly #workers: number;
  readonly #tables: ReadTables;

  constructor(
    access: SourceAccess,
    given: { readonly workers: number; readonly tables: ReadTables; readonly replicas: readonly SourceAccess[] },
  ) {
    this.#access = access;
    this.#workers = given.workers;
    this.#tables = given.tables;
    this.replicas = given.replicas.map((replica) => new Replica(access, replica, given));
  }

  async open(from: SnapshotStart, signal: AbortSignal): Promise<SnapshotSession> {
    if (from.kind === 'new') return this.#firstSnapshot(signal);
    if (from.kind === 'only') return this.#onlySnapshot(from.before, signal);
    return this.#laterSnapshot(from, signal);
  }

  join(lent: LentSnapshot, signal: AbortSignal): Promise<SnapshotSession | null> {
    signal.throwIfAborted();
    return PostgresSnapshot.join(this.#access, lent, { workers: this.#workers, tables: this.#tables });
  }

  keyFit(relation: Relation, columns: readonly string[], signal: AbortSignal): Promise<KeyFit | string> {
    return ask(this.#access, signal, (client) => fitOf(client, relation, columns));
  }

  async #firstSnapshot(signal: AbortSignal): Promise<SnapshotSession> {
    const { slot } = this.#access;
    const made = await createOwnSlot(this.#access, { exportSnapshot: true }, signal);
    const at = made.consistentPoint;
    try {
      const session = await this.#import(
        made.snapshot,
        { handoff: at as HandoffLsn, exactAt: at as SnapshotLsn },
        signal,
      );
      await made.close();
      return session;
    } catch (error) {
      await made.close();
      await withClient(this.#access, null, (client) => dropSlot(client, this.#access, this.#access)).catch(
        (failure: unknown) => {
          const said = failure instanceof Error ? failure.message : String(failure);
          this.#access.log.log('error', 'slot-left', `slot ${slot} could not be dropped: ${said}`, { slot });
        },
      );
      throw error;
    }
  }

  async #laterSnapshot({ handoff, readers }: Again, signal: AbortSignal): Promise<SnapshotSession> {
    const made = await createSlot(
      this.#access,
      { name: temporaryName(this.#access), temporary: true, exportSnapshot: true },
      signal,
    );
    try {
      const positions = { handoff, exactAt: made.consistentPoint as SnapshotLsn };
      return await this.#import(made.snapshot, positions, signal, readers);
    } finally {
      await made.close();
    }
  }

  #onlySnapshot(before: OnlyBefore, signal: AbortSignal): Promise<SnapshotSession> {
    return withClient(this.#access, signal, async (client) => {
      const { name, sees, at } = await exportSnapshot(client);
      const exactAt = before?.sees === sees ? before.exactAt : (at as SnapshotLsn);
      return this.#import(name, { handoff: null, exactAt, sees }, signal);
    });
  }

  async #import(
    name: string,
    positions: SessionPositions,
    signal: AbortSignal,
    workers = this.#workers,
  ): Promise<SnapshotSession> {
    const snapshot = { name, workers, tables: this.#tables };
    const session = await PostgresSnapshot.start(this.#access, snapshot, positions);
    if (!signal.aborted) return session;
    await session[Symbol.asyncDispose]();
    throw signal.reason;
  }
}
