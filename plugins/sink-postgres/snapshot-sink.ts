import type { PluginContext } from '../../core/api/context.ts';
import { failpoint } from '../../core/base/failpoint.ts';
import type { SnapshotLsn } from '../../core/postgres/lsn.ts';
import type { TablePlan } from '../../core/api/plan.ts';
import { type Oid, relationName } from '../../core/postgres/relation.ts';
import type { LargeObjectSink, LoadedRange, LoadResult, RangeSink, SnapshotSink } from '../../core/api/sink.ts';
import type { RawCopy, RowCopy, SinkPreparation } from '../../core/api/snapshot.ts';
import { qualified } from '../../core/postgres/quote.ts';
import { type Builder, buildIndexes } from './definitions/build.ts';
import { setAside } from './definitions/set-aside.ts';
import { bulkError } from './errors.ts';
import { finishTarget, putBack } from './finish.ts';
import { Coalescer } from './coalescer.ts';
import { PostgresLargeObjects } from './load/large-objects.ts';
import { loadChunk } from './load/load.ts';
import {
  forgetWork,
  goesOn,
  isKeyed,
  loadedRanges,
  namesInTarget,
  offerRanges,
  startAgain,
  unfit,
  unfitTarget,
} from './load/ranges.ts';
import type { PostgresSinkOptions } from './options.ts';
import { prepareTarget } from './schema/prepare.ts';
import { type TreeNode, descendantsOf, readTree } from './schema/tree.ts';
import { Semaphore } from './semaphore.ts';
import type { Sessions } from './sessions.ts';
import { keyedTables, smallTables } from './staying.ts';
import { type Owner, type TableState, readTables, setFinished } from './state.ts';
import { WorkState } from './work/shared.ts';
import { closeBelow, progressOf, takeRange, waitingLedgers } from './work/take.ts';

/** What one run knows of a plan's table. */
interface Target {
  readonly state: TableState;
  readonly node: TreeNode;
  /** See {@link VerifiedTarget}. */
  readonly types: readonly Oid[];
  /** Several plans write into the same table: it cannot be truncated for one of them. */
  readonly shared: boolean;
  /** Indexes and constraints are set aside and nothing was built since. */
  aside: boolean;
  /** One chunk: TRUNCATE and COPY FREEZE in one transaction. */
  whole: boolean;
}

/** A copied table whose indexes are to be built. */
interface Finish {
  readonly target: Target;
  readonly exactAt: SnapshotLsn;
  readonly signal: AbortSignal;
}

/**
 * The copy of the Postgres sink. State that must survive is in the target's schema `pgsluice`; this object only caches
 * it.
 */
export class PostgresSnapshotSink implements SnapshotSink {
  readonly #sessions: Sessions;
  readonly #owner: Owner;
  readonly #options: PostgresSinkOptions;
  readonly #context: PluginContext;
  readonly #builder: Builder;
  readonly #loads: Coalescer<string>;
  /** Limits the connections of finished tables; builds of indexes have a limit of their own. */
  readonly #finishing: Coalescer<Finish>;
  /** Small tables have almost nothing to build: with one piece of work at a time, each piece collects more of them. */
  readonly #finishingSmall: Coalescer<Finish>;
  readonly largeObjects: LargeObjectSink;
  readonly ranges: RangeSink;
  /** Sources of which an earlier snapshot gave out ranges. */
  #given: ReadonlySet<string> = new Set();
  #targets: ReadonlyMap<string, Target> = new Map();
  #small: ReadonlySet<number> = new Set();
  #keyed: ReadonlySet<number> = new Set();
  #unfilled: NonNullable<SinkPreparation['unfilledViews']> = [];

  constructor(sessions: Sessions, options: PostgresSinkOptions, context: PluginContext) {
    const workers = options.index_workers;
    this.#sessions = sessions;
    this.#options = options;
    this.#context = context;
    this.#owner = { pipeline: context.pipeline, sink: context.name };
    this.#builder = { sessions, owner: this.#owner, workers: new Semaphore(workers) };
    this.ranges = {
      begin: (plan, of, signal) => this.#beginRanges(plan, of, signal),
      unfit: (plan, of) => this.#sessions.query((client) => unfit(client, this.#owner, plan, of)),
      loaded: (plan) => this.#sessions.query((client) => loadedRanges(client, this.#owner, plan)),
      take: (ledgers, of, signal) =>
        takeRange(this.#sessions, ledgers, of, { owner: this.#owner, context: this.#context, signal }),
      closeBelow: (at) => closeBelow(this.#sessions, this.#owner, at),
      isKeyed: (plan) => this.#sessions.query((client) => isKeyed(client, plan)),
      waiting: (ledgers) => this.#sessions.query((client) => waitingLedgers(client, this.#owner, ledgers)),
      progress: (ledgers) => this.#sessions.query((client) => progressOf(client, this.#owner, ledgers)),
      shared: new WorkState(sessions, this.#owner, workers),
    };
    this.largeObjects = new PostgresLargeObjects(sessions, this.#owner, { options, log: context.log });
    this.#loads = new Coalescer(1, Infinity, (sources) => this.#flush(sources));
    this.#finishing = new Coalescer(workers, 50, (tables) => this.#finishTables(tables));
    this.#finishingSmall = new Coalescer(1, 50, (tables) => this.#finishTables(tables));
  }

  async prepare(preparation: SinkPreparation, signal: AbortSignal): Promise<void> {
    const input = { sessions: this.#sessions, owner: this.#owner, options: this.#options, context: this.#context };
    const targets = await prepareTarget(input, preparation, signal);
    const types = preparation.plans.map((plan, i) => [relationName(plan.source), targets[i]!.types] as const);
    this.#targets = await this.#readTargets(new Map(types));
    const states = new Map([...this.#targets].map(([source, { state }]) => [source, state]));
    this.#small = smallTables(preparation, states);
    this.#keyed = keyedTables(preparation, states);
    this.#unfilled = preparation.unfilledViews ?? [];
  }

  async begin(plan: TablePlan, chunks: number, signal: AbortSignal): Promise<void> {
    const target = this.#target(plan);
    signal.throwIfAborted();
    await this.#setAside(target);
    target.whole = chunks === 1 && !target.shared && !target.node.partitioned;
    const { source } = target.state;
    if (this.#given.has(source)) await this.#sessions.transaction((client) => forgetWork(client, this.#owner, source));
    // Loading a whole table truncates it itself.
    if (!target.whole) await this.#empty(plan, target);
  }

  async #setAside(target: Target): Promise<void> {
    if (target.aside) return;
    await setAside(this.#sessions, this.#owner, [target.state.relid], {
      log: this.#context.log,
      small: this.#small,
      keyed: this.#keyed,
    });
    target.aside = true;
  }

  async #beginRanges(
    plan: TablePlan,
    { ledger, columns, ranges, plan: digest }: Parameters<RangeSink['begin']>[1],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, LoadedRange> | string> {
    const target = this.#target(plan);
    signal.throwIfAborted();
    if (target.shared || target.node.partitioned) return 'its target is partitioned, or takes other tables, too';
    const names = namesInTarget(plan, columns);
    if (typeof names === 'string') return names;
    await this.#setAside(target);
    const { relid } = target.state;
    const why = await this.#sessions.query((client) => unfitTarget(client, { owner: this.#owner, relid }, names));
    if (why !== null) return why;
    target.whole = false;
    const ranged = { owner: this.#owner, plan, relid, ledger, columns, types: target.types, digest, ranges };
    return this.#sessions.transaction(async (client) => {
      if (!(await goesOn(client, ranged))) await startAgain(client, ranged);
      await offerRanges(client, ranged);
      return loadedRanges(client, this.#owner, plan);
    });
  }

  readonly load = async (plan: TablePlan, copy: RawCopy | RowCopy, signal: AbortSignal): Promise<LoadResult> => {
    const { whole, types } = this.#target(plan);
    return loadChunk(this.#sessions, plan, copy, { owner: this.#owner, context: this.#context, whole, types, signal });
  };

  loaded(plan: TablePlan, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return this.#loads.add(this.#target(plan).state.source);
  }

  finishTable(plan: TablePlan, exactAt: SnapshotLsn, signal: AbortSignal): Promise<void> {
    const target = this.#target(plan);
    target.aside = false;
    const finishing = this.#small.has(target.state.relid) ? this.#finishingSmall : this.#finishing;
    return finishing.add({ target, exactAt, signal });
  }

  async finish(plans: readonly TablePlan[], signal: AbortSignal): Promise<void> {
    await finishTarget(
      {
        builder: this.#builder,
        options: this.#options,
        context: this.#context,
        plans,
        unfilled: this.#unfilled,
        caughtUp: false,
      },
      signal,
    );
  }

  abandon(): Promise<boolean> {
    return putBack({ builder: this.#builder, options: this.#options, context: this.#context });
  }

  async #readTargets(types: ReadonlyMap<string, readonly Oid[]>): Promise<ReadonlyMap<string, Target>> {
    return this.#sessions.query(async (client) => {
      const states = [...(await readTables(client, this.#owner)).values()].filter((state) => state.phase !== 'parent');
      const tree = await readTree(
        client,
        states.map((state) => state.relid),
      );
      const { rows } = await client.query<{ relid: string }>(
        `SELECT DISTINCT relid FROM pgsluice.definition WHERE pipeline = $1 AND sink = $2 AND status <> 'aside'`,
        [this.#owner.pipeline, this.#owner.sink],
      );
      const built = new Set(rows.map((row) => Number(row.relid)));
      const given = await client.query<{ source: string }>(
        'SELECT source FROM pgsluice.work_table WHERE pipeline = $1 AND sink = $2',
        [this.#owner.pipeline, this.#owner.sink],
      );
      this.#given = new Set(given.rows.map(({ source }) => source));
      const writers = new Map<number, number>();
      for (const { relid } of states) writers.set(relid, (writers.get(relid) ?? 0) + 1);
      return new Map(
        states.map((state) => {
          const aside = state.phase === 'aside' && !built.has(state.relid);
          const node = tree.get(state.relid)!;
          const shared = writers.get(state.relid)! > 1;
          return [state.source, { state, node, types: types.get(state.source) ?? [], shared, aside, whole: false }];
        }),
      );
    });
  }

  /**
   * Loads commit without waiting for the disk; one commit that waits flushes all WAL before it. That commit must write,
   * or it flushes nothing.
   */
  async #flush(sources: readonly string[]): Promise<void> {
    await this.#sessions.transaction(async (client) => {
      await client.query(
        'UPDATE pgsluice.bulk_table SET exact_at = NULL, mixed = false WHERE pipeline = $1 AND sink = $2 AND source = ANY($3::text[])',
        [this.#owner.pipeline, this.#owner.sink, sources],
      );
    }, true);
  }

  async #finishTables(tables: readonly Finish[]): Promise<void> {
    const { signal } = tables[0]!;
    signal.throwIfAborted();
    // Others may still be loading into a shared table; finish() builds it.
    const own = tables.map((table) => table.target).filter((target) => !target.shared);
    if (own.length > 0) {
      const relids: number[] = [];
      for (const target of own) relids.push(...(await this.#withPartitions(target)));
      await buildIndexes(this.#builder, relids, signal);
      failpoint('built');
      const names = own.map((target) => target.node.sql).join(', ');
      await this.#sessions.query((client) => client.query(`ANALYZE ${names}`));
    }
    await this.#sessions.transaction(async (client) => {
      await setFinished(
        client,
        this.#owner,
        tables.map(({ target, exactAt }) => ({ source: target.state.source, exactAt, built: !target.shared })),
      );
      const { pipeline, sink } = this.#owner;
      const of = [pipeline, sink, own.map((target) => target.state.source)];
      for (const table of ['chunk', 'work_table'])
        await client.query(
          `DELETE FROM pgsluice.${table} WHERE pipeline = $1 AND sink = $2 AND source = ANY($3::text[])`,
          of,
        );
    }, true);
  }

  #target(plan: TablePlan): Target {
    const source = relationName(plan.source);
    const target = this.#targets.get(source);
    if (target !== undefined) return target;
    throw bulkError('PGS3006', `${source} was not prepared in the target`, { where: { table: source } });
  }

  /**
   * Removes the rows that a broken copy left, with their markers. In a shared table only the rows of this plan: a
   * marker was written by the transaction that wrote them, so it has their xmin.
   */
  async #empty(plan: TablePlan, target: Target): Promise<void> {
    const table = qualified(plan.output);
    const key = [this.#owner.pipeline, this.#owner.sink, target.state.source];
    const mine = 'pipeline = $1 AND sink = $2 AND source = $3';
    await this.#sessions.transaction(async (client) => {
      if (!target.shared) await client.query(`TRUNCATE ${target.node.partitioned ? '' : 'ONLY '}${table}`);
      else
        await client.query(`DELETE FROM ${table} WHERE xmin IN (SELECT xmin FROM pgsluice.chunk WHERE ${mine})`, key);
      await client.query(`DELETE FROM pgsluice.chunk WHERE ${mine}`, key);
    });
  }

  async #withPartitions(target: Target): Promise<number[]> {
    if (!target.node.partitioned) return [target.state.relid];
    return this.#sessions.query(async (client) => {
      const tree = await readTree(client, [target.state.relid]);
      return [target.state.relid, ...descendantsOf(tree, target.state.relid).map((node) => node.relid)];
    });
  }
}
