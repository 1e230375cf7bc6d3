import { randomUUID } from 'node:crypto';
import { failpoint } from '../../base/failpoint.ts';
import type { SnapshotLsn } from '../../postgres/lsn.ts';
import { relationName } from '../../postgres/relation.ts';
import type { Sink, StreamSink } from '../../api/sink.ts';
import type { Source, SourceCatalog } from '../../api/source.ts';
import type { RowsAsked } from '../../api/source-database.ts';
import type { PipelineConfig } from '../../config/pipeline-config.ts';
import { noMetrics } from '../../base/no-metrics.ts';
import { RunView } from '../../pipeline/progress/run-view.ts';
import { createMapper } from '../../pipeline/plan/mapper.ts';
import { PipelineState, type TableState } from '../../pipeline/state/pipeline-state.ts';
import { pause } from '../../base/backoff.ts';
import { runtimeError } from '../../pipeline/errors.ts';
import type { Instances, PlannedSink, RunContext } from '../../pipeline/open/instances.ts';
import { pendingTables, refuseUnchosen } from '../../pipeline/state/known-tables.ts';
import { type Planning, partOf, planSinks } from '../../pipeline/open/planning.ts';
import { publish, snapshotPhase } from '../../pipeline/snapshot/phase.ts';
import { encodeControl } from '../../pipeline/control/control-message.ts';
import { findPositions } from '../../pipeline/stream/positions.ts';
import { runStream } from '../../pipeline/stream/run-stream.ts';
import { entry, member } from '../../pipeline/state/entries.ts';
import { RunState } from '../../pipeline/state/run-state.ts';

/** Milliseconds: with a smaller lag the tables may join the main stream. */
const closeMs = 1000;
const againMs = 30_000;

export interface SideCopyInput {
  readonly config: PipelineConfig;
  readonly instances: Instances;
  /** The tables of the pipeline, including those that wait for their copy. */
  readonly catalog: SourceCatalog;
}

type Given = SideCopyInput & { readonly source: Source };

/** Whether tables can be copied while the main stream goes on; if not, they are copied before it. */
export function canCopyBeside(
  source: Source,
  { config, instances }: Pick<SideCopyInput, 'config' | 'instances'>,
): boolean {
  // DDL is carried out in its place in one stream; two streams would carry it out twice.
  if (config.ddl === 'follow' || source.control?.beside === undefined) return false;
  // Dead letters are counted and stored by the position of one stream.
  if (config.deadLetter !== null) return false;
  return instances.sinks.every(({ sink }) => sink.beside !== undefined);
}

/**
 * Copies tables that were added, or are requested again, while the main stream goes on (I5). They get a slot of their
 * own: its snapshot is copied, then its stream is followed, with rows and position in one transaction of the target
 * (I4). The main stream skips these tables meanwhile. Once the lag is small, the main stream ends after its current
 * transaction, the tables are brought to its position, and it goes on with them included.
 */
export class SideCopy implements AsyncDisposable {
  /** Resolves when the tables are copied and their lag is small. Rejects when that fails. */
  readonly ready: Promise<void>;
  readonly #main: RunContext;
  readonly #context: RunContext;
  readonly #planning: Planning;
  readonly #streams: readonly (StreamSink & AsyncDisposable)[];
  readonly #end = new AbortController();
  readonly #reached = new Set<string>();
  #following: Promise<void> = Promise.resolve();

  private constructor(main: RunContext, given: Given, parts: Pick<Parts, 'context' | 'planning' | 'streams'>) {
    this.#main = main;
    this.#context = parts.context;
    this.#planning = parts.planning;
    this.#streams = parts.streams;
    this.ready = this.#begin(given);
    // The rejection is handled where `ready` is awaited.
    this.ready.catch(() => {});
  }

  /** The tables are in the pipeline's publication before their snapshot is taken, so its stream has every later change of theirs. */
  static async start(main: RunContext, input: SideCopyInput): Promise<SideCopy> {
    refuseUnchosen(main.state, input.catalog);
    const source = main.source.control!.beside!();
    const given = { ...input, source };
    const all = await planSinks(given.instances.sinks, given.catalog, true, main.stop);
    await publish(main, { ...given, planning: all });
    failpoint('resync-published');
    const parts = await open(main, given);
    const { head } = parts.context.state;
    const again = head === null || head.phase === 'starting' || main.state.get('side:again') !== null;
    const begun = !again && (await source.control!.slot.status(main.stop)) !== null;
    if (!begun) await reset(main, source, parts);
    main.log.log('info', 'resync-started', `copying ${[...pendingTables(main.state)].join(', ')}, the others go on`, {
      tables: parts.planning.sinks.reduce((sum, { plans }) => sum + plans.length, 0),
    });
    return new SideCopy(main, given, parts);
  }

  async #begin(given: Given): Promise<void> {
    const context = { ...this.#context, stop: AbortSignal.any([this.#main.stop, this.#end.signal]) };
    // `join` moves a whole table to one position, so all of its rows must have the same one.
    const one = { mode: 'initial' as const, ledger_above: Number.POSITIVE_INFINITY };
    const config = { ...given.config, snapshot: { ...given.config.snapshot, ...one } };
    const names = new Set(this.#planning.sinks.flatMap(({ plans }) => plans.map((plan) => relationName(plan.source))));
    const tables = given.catalog.tables.filter(({ relation }) => names.has(relationName(relation)));
    const { state } = context;
    // Notes of a copy that never had a snapshot are written again.
    if (state.head?.phase !== 'stream') {
      const catalog = { ...given.catalog, tables };
      await snapshotPhase(context, { ...given, config, catalog, planning: this.#planning });
    }
    failpoint('resync-copied');
    this.#following = this.#follow(context, null);
    this.#following.catch(() => {});
    const ended = this.#following.then(() => Number.POSITIVE_INFINITY);
    while ((await Promise.race([ended, this.#behind(context)])) > closeMs) context.stop.throwIfAborted();
  }

  /** Milliseconds that a message through the source's WAL takes until everything before it is durable. */
  async #behind({ pipeline, source, stop }: RunContext): Promise<number> {
    const id = randomUUID();
    const since = performance.now();
    await source.control!.emit(encodeControl(pipeline, { kind: 'barrier', id, after: 'go-on' }), stop);
    while (!this.#reached.has(id)) {
      await pause(20, stop);
      // A message that was lost with a connection is written again.
      if (performance.now() - since > againMs) return againMs;
    }
    return performance.now() - since;
  }

  async #follow(context: RunContext, until: bigint | null): Promise<void> {
    const { identity, handoff } = context.state.head!;
    if (handoff === null) throw runtimeError('PGS6002', 'the checkpoint has no consistent point of the copy');
    const { sinks } = this.#planning;
    const onBarrier = (id: string) => void this.#reached.add(id);
    const { stop } = context;
    const { rows } = context.source;
    const fetch = rows && ((asked: RowsAsked) => rows.fetch(asked, stop));
    const { inputs } = this.#planning;
    const mapperAt = ({ name, plans }: PlannedSink) => createMapper(inputs.get(name)!, plans, fetch);
    await runStream(context, { sinks, mapperAt, identity, handoff, until, onBarrier });
  }

  /**
   * The main stream has ended with every sink durable up to `at`: the tables are brought to that position, and from
   * then on they belong to the main stream. Changes that they have beyond it are skipped when the stream brings them
   * again (I5).
   */
  async join(at: bigint): Promise<void> {
    this.#end.abort();
    await this.#following;
    const context = this.#context;
    this.#main.stop.throwIfAborted();
    let reached = await this.#positions();
    if ([...reached.values()].some((position) => position < at)) {
      await this.#follow(context, at);
      this.#main.stop.throwIfAborted();
      reached = await this.#positions();
    }
    failpoint('resync-reached');
    const joined = this.#planning.sinks.flatMap(({ name, plans }) =>
      plans.map((plan) => {
        const table = relationName(plan.source);
        return [name, table, this.#joined({ sink: name, table }, [reached.get(name)!, at])] as const;
      }),
    );
    await this.#main.state.setTables(joined, [entry('resync', null)]);
    failpoint('resync-joined');
    await dropSide(this.#main);
    this.#main.log.log('info', 'resync-finished', 'the tables are copied and followed with the others', {
      tables: joined.length,
    });
  }

  #joined({ sink, table }: { readonly sink: string; readonly table: string }, passed: readonly bigint[]): TableState {
    const state = this.#context.state.table(sink, table);
    if (state === null || state.state !== 'finished')
      throw runtimeError('PGS6002', `${table} joins before its copy is finished`, { where: { table } });
    let exactAt: bigint = state.exactAt;
    for (const position of passed) if (position > exactAt) exactAt = position;
    return { ...state, exactAt: exactAt as SnapshotLsn };
  }

  async #positions(): Promise<ReadonlyMap<string, bigint>> {
    const { state, stop } = this.#context;
    return (await findPositions(this.#planning.sinks, state, state.head!.handoff!, stop)).bySink;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.ready.catch(() => {});
    await this.#following.catch(() => {});
    for (const stream of this.#streams) await stream[Symbol.asyncDispose]();
    await this.#context.source[Symbol.asyncDispose]();
  }
}

interface Parts {
  readonly context: RunContext;
  readonly planning: Planning;
  readonly streams: readonly (StreamSink & AsyncDisposable)[];
}

async function open(main: RunContext, given: Given): Promise<Parts> {
  const pending = pendingTables(main.state);
  const tables = given.catalog.tables.filter(({ relation }) => pending.has(relationName(relation)));
  const planning = await planSinks(given.instances.sinks, partOf(given.catalog, tables), true, main.stop);
  const streams: (StreamSink & AsyncDisposable)[] = [];
  const sinks = planning.sinks.map((planned): PlannedSink => {
    const stream = planned.sink.beside!();
    streams.push(stream);
    const sink: Sink = {
      snapshot: planned.sink.snapshot,
      stream,
      [Symbol.asyncDispose]: async () => {},
    };
    // The main stream hands messages of others on, once.
    return { ...planned, sink, traits: { ...planned.traits, messages: false } };
  });
  const run = new RunState();
  const context: RunContext = {
    // Barriers and holds in the source's WAL are for the main stream.
    pipeline: `${main.pipeline}+copy`,
    source: given.source,
    state: await sideState(main.state),
    run,
    view: new RunView(main.pipeline, run, main.view.tables),
    log: main.log.child({ part: 'copy beside the stream' }),
    metrics: noMetrics,
    stop: main.stop,
  };
  return { context, planning: { ...planning, sinks }, streams };
}

/**
 * A separate state within the pipeline's checkpoint; saved through the pipeline's state, as there may be only one
 * writer.
 */
function sideState(state: PipelineState): Promise<PipelineState> {
  return PipelineState.load({
    lock: async () => {},
    load: async () => state.all('side'),
    save: (entries) => state.putAll([...entries].map(([key, value]) => member('side', key, value))),
    remove: async () => {},
    [Symbol.asyncDispose]: async () => {},
  });
}

async function reset(main: RunContext, source: Source, { context }: Parts): Promise<void> {
  await source.control!.cleanup(main.stop);
  await forget(main.state);
  context.state.forget();
}

function forget(state: PipelineState): Promise<void> {
  return state.putAll([...state.all('side').keys()].map((key) => member('side', key, null)));
}

/**
 * Removes slot, publication and notes of a side copy, whether it was completed or not: its tables are then copied
 * again.
 */
export async function dropSide(main: RunContext): Promise<void> {
  if (main.state.all('side').size === 0) return;
  const source = main.source.control?.beside?.();
  if (source !== undefined) {
    await source.control!.cleanup(main.stop);
    await source[Symbol.asyncDispose]();
  }
  await forget(main.state);
}
