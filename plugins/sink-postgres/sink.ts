import type { CopyTrial } from '../../core/api/assessment.ts';
import type { CheckReport, Surroundings } from '../../core/api/check.ts';
import type { PluginContext } from '../../core/api/context.ts';
import type { DigestReader } from '../../core/postgres/digest-query.ts';
import type { TablePlan } from '../../core/api/plan.ts';
import type { Column } from '../../core/postgres/relation.ts';
import type { SchemaReader } from '../../core/api/schema-reader.ts';
import type { CutoverSink, Divisible, RepairSink, Sink, SinkTraits, StreamSink } from '../../core/api/sink.ts';
import { connect } from '../../core/postgres/connect.ts';
import { PostgresDigests } from '../../core/postgres/digest.ts';
import { type ServerProfile, readServerProfile } from '../../core/postgres/server-profile.ts';
import type { Detach } from './apply/detach-refusing.ts';
import { checkTarget } from './checks/check.ts';
import { readTarget, schemasNeeded, surroundingFindings } from './checks/surroundings.ts';
import { cleanupState } from './cleanup.ts';
import { PostgresCutover } from './cutover.ts';
import { describeTables } from './ddl/describe.ts';
import { PostgresTrees } from './ddl/tree.ts';
import { tellDivision } from './lanes/tell.ts';
import { onTrial } from './load/trial.ts';
import { type PostgresSinkOptions, schemaMode } from './options.ts';
import { PostgresRepair } from './repair.ts';
import { schemaReader } from './schema/manifest.ts';
import { Semaphore } from './semaphore.ts';
import { Sessions } from './sessions.ts';
import { PostgresSnapshotSink } from './snapshot-sink.ts';
import { readTraits } from './traits.ts';

/** A stream that keeps its position under this name. */
export type StreamNamed = (name: string, detach?: Detach) => StreamSink & AsyncDisposable;

/** The Postgres sink: the copy of this folder and the stream that is passed in. */
export class PostgresSink implements Sink {
  readonly snapshot: PostgresSnapshotSink;
  readonly stream: StreamSink;
  readonly digests: DigestReader;
  readonly schema: SchemaReader;
  readonly cutover: CutoverSink;
  readonly repair: RepairSink;
  readonly tree: PostgresTrees;
  readonly division: Sink['division'];
  readonly #sessions: Sessions;
  readonly #options: PostgresSinkOptions;
  readonly #context: PluginContext;

  readonly #trialBuilds: Semaphore;
  readonly #streamNamed: StreamNamed;

  constructor(options: PostgresSinkOptions, context: PluginContext, streamNamed: StreamNamed) {
    this.#streamNamed = streamNamed;
    this.#sessions = new Sessions(options, context);
    this.#options = options;
    this.#context = context;
    this.#trialBuilds = new Semaphore(options.index_workers);
    const owner = { pipeline: context.pipeline, sink: context.name };
    this.snapshot = new PostgresSnapshotSink(this.#sessions, options, context);
    this.tree = new PostgresTrees(this.#sessions, {
      owner,
      dependents: options.dependents ?? 'error',
    });
    // The trees of a schema that existed before are not ours to change.
    const existing = schemaMode(options) === 'existing';
    this.stream = streamNamed(context.name, existing ? undefined : (table, signal) => this.tree.detach(table, signal));
    const { lanes, by } = options.apply;
    this.division = lanes === 1 ? undefined : (of: Divisible) => tellDivision(of, lanes, by);
    this.cutover = new PostgresCutover(this.#sessions, options, context);
    this.repair = new PostgresRepair(this.#sessions, context);
    this.schema = schemaReader(this.#sessions, owner, options);
    this.digests = new PostgresDigests(
      () => connect(options, { name: context.name, applicationName: `pgsluice ${context.pipeline}` }),
      context.name,
    );
  }

  beside(): StreamSink & AsyncDisposable {
    return this.#streamNamed(`${this.#context.name}+copy`);
  }

  traits(signal: AbortSignal): Promise<SinkTraits> {
    signal.throwIfAborted();
    return readTraits(this.#sessions, this.#options, this.#context.deadLetters !== undefined);
  }

  async check(plans: readonly TablePlan[], report: CheckReport, signal: AbortSignal, copies: boolean): Promise<void> {
    signal.throwIfAborted();
    await checkTarget(this.#sessions, { options: this.#options, context: this.#context, copies }, plans, report);
  }

  async checkSurroundings(
    source: Surroundings,
    report: CheckReport,
    signal: AbortSignal,
    plans: readonly TablePlan[],
  ): Promise<void> {
    signal.throwIfAborted();
    const { version } = await this.#sessions.powers();
    const target = await this.#sessions.query((client) => readTarget(client, version));
    const subject = `sink ${this.#context.name}`;
    const needed = { ...source, schemas: schemasNeeded(source, plans) };
    for (const finding of surroundingFindings(needed, target, this.#options)) report.add({ subject, ...finding });
  }

  describe(
    tables: readonly { readonly schema: string; readonly name: string }[],
    signal: AbortSignal,
  ): Promise<readonly (readonly Column[] | null)[]> {
    signal.throwIfAborted();
    return this.#sessions.query((client) => describeTables(client, tables));
  }

  profile(signal: AbortSignal): Promise<ServerProfile> {
    signal.throwIfAborted();
    return this.#sessions.query(readServerProfile);
  }

  trial(work: (trial: CopyTrial) => Promise<void>): Promise<void> {
    return this.#sessions.query((client) => onTrial(client, this.#trialBuilds, work));
  }

  cleanup(): Promise<readonly string[]> {
    return this.#sessions.query((client) => cleanupState(client, this.#context.pipeline));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stream = this.stream as Partial<AsyncDisposable>;
    await stream[Symbol.asyncDispose]?.();
    await this.#sessions[Symbol.asyncDispose]();
  }
}
