import type { CheckpointStore, Json } from '../../api/checkpoint.ts';
import type { CommitLsn } from '../../postgres/lsn.ts';
import { runtimeError } from '../errors.ts';
import type { Codec } from './codec.ts';
import {
  entry,
  family,
  type FamilyKey,
  member,
  type Member,
  phases,
  single,
  type Single,
  type SingleKey,
  type StateEntry,
} from './entries.ts';
import { GroupCommit } from './group-commit.ts';
import { placeOf, type StatePlace } from './place.ts';

/**
 * `identity`: of the source that it was started on. `handoff`: null while starting, and where there is no slot
 * (`snapshot.mode: initial_only`).
 */
export type Head = Single<'head'>;
/**
 * Durable phases. `starting`: the pipeline's objects on the source may exist, nothing of them is used yet.
 * `snapshot`: the slot exists, its consistent point is known. `stream`: all tables are finished. `cutover`: the switch
 * has begun; `done`: the slot is dropped.
 */
export type Phase = Head['phase'];
/** `copied`: all rows are in the sink, exact at this position (I5). `finished`: indexes and constraints, too. */
export type TableState = Member<'table'>;

/**
 * The typed view of a checkpoint (entries.ts). Holds what was loaded and what was saved since; every setter resolves when the new
 * value is durable. A phase never goes back. A value that cannot be read is PGS6002.
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
    return this.get('head');
  }

  async setHead(head: Head): Promise<void> {
    const before = this.head;
    if (before !== null && phases.indexOf(head.phase) < phases.indexOf(before.phase))
      throw unreadable('head', `phase ${before.phase} cannot go back to ${head.phase}`);
    await this.put('head', head);
  }

  table(sink: string, table: string): TableState | null {
    return this.of('table', `${sink}:${table}`);
  }

  /** All tables that this sink has, by `schema.table` of the source. */
  tables(sink: string): ReadonlyMap<string, TableState> {
    return this.all('table', `${sink}:`);
  }

  setTable(sink: string, table: string, to: TableState | null): Promise<void> {
    return this.putAll([member('table', `${sink}:${table}`, to)]);
  }

  /** Forgets the copies of these tables in all sinks; saved together with `entries`. */
  forgetTables(tables: readonly string[], sinks: readonly string[], entries: readonly StateEntry[]): Promise<void> {
    const gone = sinks.flatMap((sink) =>
      tables.flatMap((table) => {
        const which = `${sink}:${table}`;
        const ledger = this.of('ledger', which) === null ? [] : [member('ledger', which, null)];
        return [member('table', which, null), ...ledger];
      }),
    );
    return this.putAll([...gone, ...entries]);
  }

  /** States of tables (sink, table), saved together with `entries`. */
  setTables(tables: readonly (readonly [string, string, TableState])[], entries: readonly StateEntry[]): Promise<void> {
    return this.putAll([...tables.map(([sink, table, to]) => member('table', `${sink}:${table}`, to)), ...entries]);
  }

  /** Position of a sink that keeps none itself. */
  position(sink: string): CommitLsn | null {
    return this.of('position', sink);
  }
  setPosition(sink: string, to: CommitLsn): Promise<void> {
    return this.putAll([member('position', sink, to)]);
  }

  /** Dead letters that this sink has left so far. */
  deadLetters(sink: string): number {
    return this.of('dead-letters', sink) ?? 0;
  }
  setDeadLetters(sink: string, to: number): Promise<void> {
    return this.putAll([member('dead-letters', sink, to)]);
  }

  get<K extends SingleKey>(key: K): Single<K> | null {
    return this.#read(key, single[key] as Codec<Single<K>>);
  }
  put<K extends SingleKey>(key: K, value: Single<K> | null): Promise<void> {
    return this.putAll([entry(key, value)]);
  }

  /** One of a family. */
  of<F extends FamilyKey>(name: F, which: string | number): Member<F> | null {
    return this.#read(`${name}:${which}`, family[name] as Codec<Member<F>>);
  }
  /** All members of a family, or those whose key begins with `begins`; by the rest of the key. */
  all<F extends FamilyKey>(name: F, begins = ''): ReadonlyMap<string, Member<F>> {
    const prefix = `${name}:${begins}`;
    const found = new Map<string, Member<F>>();
    for (const key of this.#values.keys())
      if (key.startsWith(prefix))
        found.set(key.slice(prefix.length), this.#read(key, family[name] as Codec<Member<F>>)!);
    return found;
  }

  /** Saves all entries or none. */
  putAll(entries: readonly StateEntry[]): Promise<void> {
    for (const [key, value] of entries) {
      if (value === null) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    return this.#commit.put(entries);
  }

  /** The store was emptied: its contents are unknown, and there is nothing to add figures to. */
  forget(): void {
    this.#values.clear();
  }

  settled(): Promise<void> {
    return this.#commit.settled();
  }

  #read<T>(key: string, codec: Codec<T>): T | null {
    const value = this.#values.get(key) ?? null;
    if (value === null) return null;
    try {
      return codec.read(value);
    } catch (error) {
      throw unreadable(key, (error as Error).message);
    }
  }
}

function unreadable(key: string, what: string): Error {
  return runtimeError('PGS6002', `the checkpoint's ${key} cannot be read: ${what}`);
}
