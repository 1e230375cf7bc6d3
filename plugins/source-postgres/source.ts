import type pg from 'pg';
import type { AssessSource } from '../../core/api/assessment.ts';
import type { CheckReport } from '../../core/api/check.ts';
import type { PluginContext } from '../../core/api/context.ts';
import type { SourceControl, WriteFence } from '../../core/api/source-control.ts';
import type { DdlSource, DigestSource, SchemaSource, SnapshotSource } from '../../core/api/source-database.ts';
import type {
  ChangeStream,
  Source,
  SourceCatalog,
  SourceOpening,
  SourceRelations,
  StreamStart,
} from '../../core/api/source.ts';
import { PostgresDigests } from '../../core/postgres/digest.ts';
import { digestLargeObjects } from '../../core/postgres/large-object-digest.ts';
import type { Folding } from '../../core/postgres/letters.ts';
import { parseLsn } from '../../core/postgres/lsn.ts';
import { assessSource } from './assess/assess.ts';
import { readCatalog, readIdentity } from './catalog/catalog.ts';
import { readLetters } from './catalog/letters.ts';
import { runChecks } from './checks/run.ts';
import { postgresControl } from './control/control.ts';
import { PostgresFence } from './control/fence.ts';
import { ensureFailover } from './failover.ts';
import { flushBeyond } from './control/flush-beyond.ts';
import { Heartbeat } from './control/heartbeat.ts';
import { ddlSource } from './ddl/source.ts';
import { Describer } from './describe.ts';
import { RowFetcher } from './fetch-rows.ts';
import { KeptClient } from './kept-client.ts';
import { besideOf, defaultName } from './names.ts';
import type { PostgresSourceOptions } from './options.ts';
import { helpSlotSync, primaryOf, replicasOf } from './primary.ts';
import { schemaSource } from './schema/source.ts';
import { type SourceAccess, ask, open, withClient } from './session.ts';
import { PostgresSnapshots } from './snapshot/source.ts';
import { openStream } from './stream/open.ts';

/**
 * Wire bytes after which a batch of the stream ends, and that are received ahead of the reader. A decoded batch takes
 * several times its wire size, and two to three exist at a time: larger ones catch up no faster and take more memory
 * (bench/catchup.ts, `--workloads single`).
 */
const batchBytes = 1 << 20;
const bufferBytes = 8 << 20;

export class PostgresSource implements Source {
  readonly snapshot: SnapshotSource;
  readonly schema: SchemaSource;
  readonly ddl: DdlSource;
  readonly fence: WriteFence;
  readonly assess: AssessSource;
  readonly digests: DigestSource;
  readonly rows: RowFetcher;
  readonly control: SourceControl;
  readonly #access: SourceAccess;
  readonly #options: PostgresSourceOptions;
  readonly #context: PluginContext;
  readonly #describer: Describer;
  readonly #heartbeat: Heartbeat | null;
  #helping = new AbortController();
  #helped = Promise.resolve();
  /** Queried once: collations do not change while a server runs. */
  #letters: Promise<Folding | null> | null = null;

  constructor(options: PostgresSourceOptions, context: PluginContext, beside = false) {
    const name = defaultName(context.pipeline);
    this.#options = options;
    this.#context = context;
    this.#access = {
      connection: options,
      name: context.name,
      application: `pgsluice ${context.pipeline}`,
      slot: options.slot.name ?? name,
      publication: options.publication.name ?? name,
      beside,
      failover: options.slot.failover,
      primary: options.primary === undefined ? null : { ...options, url: options.primary },
      owner: { pipeline: context.pipeline, ownership: null },
      log: context.log,
      kept: new KeptClient(),
    };
    this.#describer = new Describer(this.#access, options.tables);
    this.snapshot = new PostgresSnapshots(this.#access, {
      workers: options.snapshot.workers,
      tables: this.#readTables,
      replicas: replicasOf(this.#access, options),
    });
    this.rows = new RowFetcher(this.#access);
    this.control = postgresControl(this.#access, {
      given: options.snapshot.mode === 'never',
      beside: () => this.#beside(),
    });
    this.fence = new PostgresFence(this.#access);
    this.ddl = ddlSource(this.#access, options.tables);
    this.assess = assessSource(this.#access, options.tables);
    const digests = new PostgresDigests(() => open(this.#access), context.name);
    this.digests = {
      open: (signal, snapshot, longest) => digests.open(signal, snapshot, longest),
      largeObjects: (signal) => withClient(this.#access, signal, (client) => digestLargeObjects(client, signal)),
    };
    this.schema = schemaSource(this.#access, options.tables);
    this.#heartbeat =
      options.heartbeat === undefined ? null : new Heartbeat(this.#access, options.heartbeat, context.log);
  }

  open(signal: AbortSignal): Promise<SourceOpening> {
    return ask(this.#access, signal, async (client) => {
      const identity = await readIdentity(client);
      return { identity, begin: null, end: await this.#end(client, signal) };
    });
  }

  /**
   * The flushed position, not the inserted one: what is not flushed is not decoded yet, and could be lost in a crash.
   * For a standby: of its primary.
   */
  async #end(client: pg.Client, signal: AbortSignal): Promise<bigint> {
    const read = async (on: pg.Client): Promise<bigint> => {
      const { rows } = await on.query<{ at: string }>(
        `SELECT CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_flush_lsn() END AS at`,
      );
      return parseLsn(rows[0]!.at);
    };
    const primary = primaryOf(this.#access);
    return primary === this.#access ? read(client) : withClient(primary, signal, read);
  }

  relations(signal: AbortSignal): Promise<SourceRelations> {
    return ask(this.#access, signal, this.#readTables);
  }

  readonly #readTables = async (client: pg.Client): Promise<SourceRelations> => ({
    ...(await readCatalog(client, await readIdentity(client), this.#options.tables)),
    letters: () => (this.#letters ??= ask(this.#access, null, (asked) => readLetters(asked))),
  });

  #beside(): Source {
    const { slot, publication } = besideOf(this.#access);
    const { heartbeat: _, ...options } = this.#options;
    const beside = new PostgresSource(
      { ...options, slot: { name: slot, failover: false }, publication: { name: publication } },
      this.#context,
      true,
    );
    beside.#access.owner.ownership = this.#access.owner.ownership;
    return beside;
  }

  async stream(start: StreamStart, signal: AbortSignal): Promise<ChangeStream> {
    const { connection, name, application, slot, publication } = this.#access;
    this.#describer.connect();
    await ensureFailover(this.#access);
    const stream = await openStream(
      {
        connection,
        name,
        application,
        slot,
        publications: [publication],
        start: { ...start, binary: start.binary === true && this.#options.binary },
        describe: (wire, before) => this.#describer.describe(wire, before),
        batchBytes,
        bufferBytes,
        statusInterval: 10_000,
        streaming: this.#options.streaming,
        origin: this.#options.origin,
        log: this.#context.log,
        metrics: this.#context.metrics,
      },
      signal,
    );
    this.#heartbeat?.start();
    await this.#endHelp();
    this.#helping = new AbortController();
    this.#helped = helpSlotSync(this.#access, AbortSignal.any([signal, this.#helping.signal]));
    if (start.until !== null)
      await flushBeyond(this.#access, start.until).catch((error: unknown) => this.#notFlushed(error));
    return stream;
  }

  async #endHelp(): Promise<void> {
    this.#helping.abort();
    await this.#helped;
  }

  /** Without it the stream may end some seconds later, with no other effect. */
  #notFlushed(error: unknown): void {
    const said = error instanceof Error ? error.message : String(error);
    this.#context.log.log('debug', 'not-flushed', `the stop position may be reached late: ${said}`);
  }

  async check(report: CheckReport, signal: AbortSignal, catalog?: SourceCatalog): Promise<void> {
    await ask(this.#access, signal, async (client) => {
      const read = catalog ?? (await readCatalog(client, await readIdentity(client), this.#options.tables));
      await runChecks({ client, access: this.#access, options: this.#options, catalog: read, report }, signal);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#heartbeat?.stop();
    await this.#endHelp();
    await this.#describer[Symbol.asyncDispose]();
    await this.rows[Symbol.asyncDispose]();
    await this.#access.kept[Symbol.asyncDispose]();
  }
}
