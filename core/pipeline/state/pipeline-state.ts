import type { CheckpointStore, Json } from '../../api/checkpoint.ts';
import { type CommitLsn, formatLsn, type HandoffLsn, parseLsn, type SnapshotLsn } from '../../postgres/lsn.ts';
import type { SourceIdentity } from '../../api/source.ts';
import { runtimeError } from '../errors.ts';
import { GroupCommit } from './group-commit.ts';
import { placeOf, type StatePlace } from './place.ts';

/**
 * Durable phases. `starting`: the pipeline's objects on the source may exist, nothing of them is used yet.
 * `snapshot`: the slot exists, its consistent point is known. `stream`: all tables are finished. `cutover`: the switch
 * has begun; `done`: the slot is dropped.
 */
export type Phase = 'starting' | 'snapshot' | 'stream' | 'cutover' | 'done';
const order: readonly Phase[] = ['starting', 'snapshot', 'stream', 'cutover', 'done'];

export interface Head {
  readonly phase: Phase;
  readonly identity: SourceIdentity;
  /** Null while starting, and where there is no slot (`snapshot.mode: initial_only`). */
  readonly handoff: HandoffLsn | null;
}

/** `copied`: all rows are in the sink, exact at this position (I5). `finished`: indexes and constraints, too. */
export interface TableState {
  readonly state: 'copied' | 'finished';
  readonly exactAt: SnapshotLsn;
  readonly rows: bigint;
  readonly bytes: number;
}

const version = 1;

/**
 * The typed view of a checkpoint. Holds what was loaded and what was saved since; every setter resolves when the new
 * value is durable. A phase never goes back.
 */
export class PipelineState {
  readonly #commit: GroupCommit<string, Json>;
  readonly #values: Map<string, Json>;

  readonly place: StatePlace;

  private constructor(store: CheckpointStore, values: Map<string, Json>, place: StatePlace) {
    this.place = place;
    this.#values = values;
    this.#commit = new GroupCommit((entries) => store.save(entries));
  }

  static async load(store: CheckpointStore): Promise<PipelineState> {
    return new PipelineState(store, new Map(await store.load()), await placeOf(store));
  }

  get head(): Head | null {
    const value = this.#object('head');
    if (value === null) return null;
    if (value['version'] !== version) throw unreadable('head', `version ${String(value['version'])}`);
    const phase = value['phase'] as Phase;
    if (!order.includes(phase)) throw unreadable('head', `phase ${String(phase)}`);
    return {
      phase,
      identity: value['identity'] as unknown as SourceIdentity,
      handoff: readLsn(value['handoff'] ?? null) as HandoffLsn | null,
    };
  }

  async setHead(head: Head): Promise<void> {
    const before = this.head;
    if (before !== null && order.indexOf(head.phase) < order.indexOf(before.phase)) {
      throw unreadable('head', `phase ${before.phase} cannot go back to ${head.phase}`);
    }
    const { systemId, timeline, database, version: server } = head.identity;
    await this.put('head', {
      version,
      phase: head.phase,
      identity: { systemId, timeline, database, version: server },
      handoff: writeLsn(head.handoff),
    });
  }

  table(sink: string, table: string): TableState | null {
    const value = this.#object(tableKey(sink, table));
    if (value === null) return null;
    return {
      state: value['state'] as TableState['state'],
      exactAt: readLsn(value['exactAt'] ?? null) as SnapshotLsn,
      rows: BigInt(String(value['rows'])),
      bytes: Number(value['bytes']),
    };
  }

  /** All tables that this sink has, by `schema.table` of the source. */
  tables(sink: string): ReadonlyMap<string, TableState> {
    const prefix = tableKey(sink, '');
    const found = new Map<string, TableState>();
    for (const key of this.#values.keys()) {
      if (!key.startsWith(prefix)) continue;
      const table = key.slice(prefix.length);
      found.set(table, this.table(sink, table)!);
    }
    return found;
  }

  setTable(sink: string, table: string, to: TableState | null): Promise<void> {
    return this.put(tableKey(sink, table), to && encodeTable(to));
  }

  /** These tables are copied in none of the sinks any more; saved together with `entries`. */
  forgetTables(
    tables: readonly string[],
    sinks: readonly string[],
    entries: readonly (readonly [string, Json])[],
  ): Promise<void> {
    const gone = sinks.flatMap((sink) => tables.map((table) => [tableKey(sink, table), null] as const));
    return this.putAll([...gone, ...entries]);
  }

  /** States of tables (sink, table), saved together with `entries`. */
  setTables(
    tables: readonly (readonly [string, string, TableState])[],
    entries: readonly (readonly [string, Json])[],
  ): Promise<void> {
    return this.putAll([
      ...tables.map(([sink, table, to]) => [tableKey(sink, table), encodeTable(to)] as const),
      ...entries,
    ]);
  }

  /** Position of a sink that keeps none of its own. */
  position(sink: string): CommitLsn | null {
    return readLsn(this.#values.get(`position:${sink}`) ?? null) as CommitLsn | null;
  }
  setPosition(sink: string, to: CommitLsn): Promise<void> {
    return this.put(`position:${sink}`, writeLsn(to));
  }

  /** Highest position confirmed to the source; saved before it is confirmed. */
  get acknowledged(): bigint | null {
    return readLsn(this.#values.get('acknowledged') ?? null);
  }
  setAcknowledged(to: bigint): Promise<void> {
    return this.put('acknowledged', writeLsn(to));
  }

  /** Dead letters that this sink has left so far. */
  deadLetters(sink: string): number {
    return Number(this.#values.get(`dead-letters:${sink}`) ?? 0);
  }
  setDeadLetters(sink: string, to: number): Promise<void> {
    return this.put(`dead-letters:${sink}`, to);
  }

  /** Anything else that must outlive a process: barriers met, steps of a cut-over, figures for `status`. */
  get(key: string): Json {
    return this.#values.get(key) ?? null;
  }
  /** Everything under a prefix, by the rest of its key. */
  entries(prefix: string): ReadonlyMap<string, Json> {
    const found = new Map<string, Json>();
    for (const [key, value] of this.#values) if (key.startsWith(prefix)) found.set(key.slice(prefix.length), value);
    return found;
  }
  put(key: string, value: Json): Promise<void> {
    if (value === null) this.#values.delete(key);
    else this.#values.set(key, value);
    return this.#commit.put([[key, value]]);
  }

  /** All of it or nothing of it. */
  putAll(entries: readonly (readonly [string, Json])[]): Promise<void> {
    for (const [key, value] of entries) {
      if (value === null) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    return this.#commit.put(entries);
  }

  /** The store was emptied: nothing of it is known any more, and there is nothing to add figures to. */
  forget(): void {
    this.#values.clear();
  }

  settled(): Promise<void> {
    return this.#commit.settled();
  }

  #object(key: string): Record<string, Json> | null {
    const value = this.#values.get(key) ?? null;
    if (value === null) return null;
    if (typeof value !== 'object' || Array.isArray(value)) throw unreadable(key, 'not an object');
    return value as Record<string, Json>;
  }
}

function encodeTable(to: TableState): Json {
  return { state: to.state, exactAt: writeLsn(to.exactAt), rows: String(to.rows), bytes: to.bytes };
}
function tableKey(sink: string, table: string): string {
  return `table:${sink}:${table}`;
}
function readLsn(value: Json): bigint | null {
  return value === null ? null : parseLsn(String(value));
}
function writeLsn(lsn: bigint | null): string | null {
  return lsn === null ? null : formatLsn(lsn);
}
function unreadable(key: string, what: string): Error {
  return runtimeError('PGS6002', `the checkpoint's ${key} cannot be read: ${what}`);
}
