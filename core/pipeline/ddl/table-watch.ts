import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { PgsluiceError } from '../../base/error.ts';
import type { StoredRows, TablePresence } from '../../api/source-database.ts';
import { type Oid, type Relation, relationName } from '../../postgres/relation.ts';
import { encodeControl } from '../control/control-message.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import type { ShapeHistory } from './shape-history.ts';
import { driftOf, numbersOf } from '../plan/drift.ts';
import { isDroppedInTargets, Look, otherCollations, type Taken, takenTables } from './losses.ts';
import { misplacedTables, ofSource } from './place-tables.ts';
import { freshTables } from './take-along.ts';

export interface TableWatchOptions {
  readonly context: RunContext;
  readonly sinks: readonly PlannedSink[];
  readonly history: ShapeHistory;
  /** The stream reports DDL, too. */
  readonly follow: boolean;
  /** Also looks for new tables and for tables whose place in a tree changed: {@link TableWatch.due}. */
  readonly trees: boolean;
  /** Milliseconds between two looks. */
  readonly every: number;
}

/** A point of the stream after a look. */
interface Mark {
  readonly id: string;
  /** Null: its message is being written. */
  at: bigint | null;
  reached: boolean;
}

/** Milliseconds: a new table without a key may get one by the next statement. */
const untilKeyed = 10_000;

/**
 * Looks at the source for changes that the stream does not report: tables that are created, dropped or moved in their
 * trees, that were taken out of the publication, or whose columns changed. What a look sees was committed before the
 * message that is written after it (a barrier); so it is acted on when every sink is durable up to that message, and no
 * earlier change is left.
 */
export class TableWatch implements AsyncDisposable {
  readonly #options: TableWatchOptions;
  readonly #stop = new AbortController();
  readonly #due = new AbortController();
  readonly #ending = new AbortController();
  readonly #losses = new Map<Oid, Mark>();
  /** The marks that are not reached yet. */
  readonly #marks = new Map<string, Mark>();
  /** Tables whose changed columns were reported in this run. */
  readonly #reported = new Set<Oid>();
  readonly #collations = new Set<string>();
  readonly #keyless = new Map<Oid, number>();
  #moves: { readonly seen: readonly TablePresence[]; readonly misplaced: boolean; readonly mark: Mark } | null = null;
  readonly #taken: ReadonlyMap<Oid, Taken>;
  #last = new Look([]);
  /**
   * The source's trees when the targets were last found equal to them, and how often the targets had been disturbed by
   * then.
   */
  #inOrder: string | null = null;
  #timer: NodeJS.Timeout;
  #looking: Promise<void> | null = null;
  #ended = false;

  constructor(options: TableWatchOptions) {
    this.#options = options;
    this.#taken = takenTables(options.sinks);
    this.#timer = this.#next(Math.min(options.every, 300));
  }

  /** Aborts with the error that ends the run. */
  get fatal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborts when tables have to be added or moved, as {@link seen} has them. */
  get due(): AbortSignal {
    return this.#due.signal;
  }

  get seen(): readonly TablePresence[] {
    return this.#moves?.seen ?? this.#last.tables;
  }

  /** A barrier is durable in every sink. Returns whether it belongs to this watch. */
  reached(id: string): boolean {
    const mark = this.#marks.get(id);
    if (mark === undefined) return false;
    this.#marks.delete(id);
    mark.reached = true;
    this.#judge(false);
    return true;
  }

  /** One look; the last one, after the stream has ended, throws its finding. */
  async look(last = false): Promise<void> {
    const before = this.#looking ?? Promise.resolve();
    // One at a time, also if two callers wait for the same look.
    const looking = before.catch(() => {}).then(() => this.#look(last));
    this.#looking = looking;
    await looking.finally(() => {
      if (this.#looking === looking) this.#looking = null;
    });
    this.#judge(last);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true;
    this.#ending.abort();
    clearTimeout(this.#timer);
    await this.#looking?.catch(() => {});
  }

  /** A look that takes long (thousands of tables) is followed by a longer pause. */
  #next(wait: number): NodeJS.Timeout {
    const turn = async () => {
      const started = performance.now();
      await this.look().catch((error: unknown) => this.#notSeen(error));
      const took = performance.now() - started;
      if (!this.#ended) this.#timer = this.#next(Math.max(this.#options.every, Math.min(took * 3, 10_000)));
    };
    return setTimeout(() => void turn(), wait).unref();
  }

  /** If the source is unreachable for a moment, the stream retries on its own; the next look comes soon. */
  #notSeen(error: unknown): void {
    if (this.#ended) return;
    const said = error instanceof Error ? error.message : String(error);
    this.#options.context.log.log('debug', 'look-failed', `the tables of the source were not looked at: ${said}`);
  }

  async #look(last: boolean): Promise<void> {
    const { context, follow, trees } = this.#options;
    if (follow && !last) await context.source.ddl?.look?.(this.#ending.signal);
    const presence = await context.source.ddl?.tables(this.#ending.signal);
    if (presence === undefined) return;
    this.#last = new Look(presence);
    const before = new Set(this.#losses.keys());
    const lost = await this.#lost();
    const moved = trees && !last ? await this.#moved(presence) : null;
    for (const oid of before) if (!lost.has(oid)) this.#losses.delete(oid);
    const fresh = [...lost].filter(([oid]) => !before.has(oid));
    if (moved === null) this.#moves = null;
    if (fresh.length === 0 && (moved === null || this.#moves !== null) && !this.#isOverdue()) return;
    const mark = await this.#mark();
    for (const [oid, error] of fresh) {
      this.#losses.set(oid, mark);
      const { table = '' } = error.where;
      const fields = { table, code: error.code };
      context.log.log(follow ? 'debug' : 'warn', 'table-lost', `${table}: ${error.message}`, fields);
    }
    // The earlier look remains the one that is acted on: the sinks are durable up to its mark, not up to a later one.
    if (moved !== null) this.#moves = { seen: presence, misplaced: moved === 'misplaced', mark };
  }

  /** A mark may get lost with a connection. */
  #isOverdue(): boolean {
    const { mark } = this.#moves ?? {};
    return mark !== undefined && !mark.reached && Date.now() - Number(mark.id.split('@')[1]) > 30_000;
  }

  async #mark(): Promise<Mark> {
    const { source, pipeline } = this.#options.context;
    const id = `${randomUUID()}@${Date.now()}`;
    const message = encodeControl(pipeline, { kind: 'barrier', id, after: 'go-on' });
    // A source that accepts no message (a standby) has a position nevertheless.
    const mark: Mark = { id, at: null, reached: false };
    // The stream may bring the message before its writer is told that it is written.
    this.#marks.set(id, mark);
    const { signal } = this.#ending;
    const position = async () => (await source.open(signal)).end;
    mark.at = (await source.control?.emit(message, signal).catch(position)) ?? (await position());
    return mark;
  }

  async #lost(): Promise<ReadonlyMap<Oid, PgsluiceError>> {
    const { history, context } = this.#options;
    const lost = new Map<Oid, PgsluiceError>();
    const stored = new Map<Oid, StoredRows>();
    for (const { relation } of history.newest()) {
      const taken = this.#taken.get(relation.oid);
      const error = this.#lossOf(relation, taken);
      if (error === null && taken !== undefined) {
        await this.#tellCollations(relation, taken);
        this.#addStored(stored, relation.oid);
      }
      if (error === null || taken === undefined) continue;
      if (error.code === 'PGS4016' && (await isDroppedInTargets(taken, this.#stop.signal))) {
        await history.leave(relation.oid);
        const table = relationName(relation);
        context.log.log('info', 'table-left', `${table} is dropped on both sides`, { table });
        continue;
      }
      if (taken.tables.length === 0 && (await this.#isAgreed(relation, error))) continue;
      lost.set(relation.oid, error);
    }
    await history.noteStored(stored);
    return lost;
  }

  /** DDL that is followed reports rewritten rows; topics have no rows that could differ. */
  #lossOf(relation: Relation, taken: Taken | undefined): PgsluiceError | null {
    if (taken === undefined) return null;
    const { follow, history } = this.#options;
    return this.#last.lossOf(
      relation,
      taken,
      follow || taken.tables.length === 0 ? null : history.stored(relation.oid),
    );
  }

  /** Notes from before the file said `follow` are kept up to date. */
  #addStored(stored: Map<Oid, StoredRows>, oid: Oid): void {
    const { follow, history } = this.#options;
    const now = this.#last.of(oid)?.stored;
    const then = history.stored(oid);
    if (now !== undefined && !(follow && then === null) && !isDeepStrictEqual(now, then)) stored.set(oid, now);
  }

  /**
   * The stream brings no message about them, and no value differs: the target sorts and compares by another collation
   * until a user changes it.
   */
  async #tellCollations(relation: Relation, taken: Taken): Promise<void> {
    const now = this.#last.of(relation.oid);
    if (now === undefined) return;
    const table = relationName(relation);
    for (const { column, is } of await otherCollations(relation, { now, taken }, this.#ending.signal)) {
      const said = `${table}.${column} ${is ?? ''}`;
      if (this.#collations.has(said)) continue;
      this.#collations.add(said);
      const what = is === null ? `the collation of its type` : `collation ${is}`;
      const message = `${table}: column ${column} has ${what} on the source now, and not in the target, which compares and sorts it otherwise: pgsluice verify FILE --schema prints the statement`;
      this.#options.context.log.log('warn', 'collation-changed', message, { table });
    }
  }

  /** For sinks without tables, such as Kafka, the restart after the stop counts as consent. */
  async #isAgreed(relation: Relation, error: PgsluiceError): Promise<boolean> {
    const { history } = this.#options;
    const drift = driftOf(error);
    if (drift === null || this.#reported.has(relation.oid)) return false;
    if (await history.tell(relation.oid, numbersOf(drift.source))) {
      this.#reported.add(relation.oid);
      return false;
    }
    await history.renew(drift.source);
    return true;
  }

  async #moved(presence: readonly TablePresence[]): Promise<'fresh' | 'misplaced' | null> {
    const { context, history, sinks } = this.#options;
    const fresh = freshTables(context.state, history, presence);
    for (const { oid } of fresh) if (!this.#keyless.has(oid)) this.#keyless.set(oid, Date.now());
    if (
      fresh.some(({ oid, keyed, unlogged }) => keyed || unlogged || Date.now() - this.#keyless.get(oid)! > untilKeyed)
    )
      return 'fresh';
    const disturbed = sinks.map(({ sink }) => sink.tree?.disturbed ?? 0);
    const trees = `${disturbed.join()} ${treesOf(presence)}`;
    if (trees === this.#inOrder) return null;
    const misplaced = ofSource(await misplacedTables(sinks, presence, this.#stop.signal));
    if (misplaced.length > 0) return 'misplaced';
    this.#inOrder = trees;
    return null;
  }

  #judge(last: boolean): void {
    const newest = new Map(this.#options.history.newest().map(({ relation }) => [relation.oid, relation]));
    for (const [oid, mark] of this.#losses) {
      // DDL that was followed meanwhile is no longer a finding.
      const relation = newest.get(oid);
      const taken = this.#taken.get(oid);
      const error = relation === undefined ? null : this.#lossOf(relation, taken);
      if (error === null) this.#losses.delete(oid);
      else if (last) throw error;
      else if (this.#passed(mark)) return this.#stop.abort(error);
    }
    if (this.#moves === null || !this.#passed(this.#moves.mark)) return;
    const { context, history } = this.#options;
    const { seen, misplaced } = this.#moves;
    if (misplaced || freshTables(context.state, history, seen).length > 0) this.#due.abort();
    else this.#moves = null;
  }

  #passed({ reached, at }: Mark): boolean {
    const { context, sinks } = this.#options;
    if (reached) return true;
    return (
      at !== null &&
      context.run.isPast(
        at,
        sinks.map(({ name }) => name),
      )
    );
  }
}

/** The places of tables in their trees, as text. */
function treesOf(presence: readonly TablePresence[]): string {
  const members = presence.filter((table) => table.parents.length > 0 || table.partitionBy !== null);
  return JSON.stringify(members.map(({ oid, schema, name, parents, bound }) => [oid, schema, name, parents, bound]));
}
