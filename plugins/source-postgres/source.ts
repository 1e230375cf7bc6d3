import type { PluginContext } from '../../core/api/context.ts';
import type { Ownership } from '../../core/api/ownership.ts';
import type { DigestReader } from '../../core/postgres/digest-query.ts';
import type { CheckReport, Surroundings } from '../../core/api/check.ts';
import type { HandoffLsn, SnapshotLsn } from '../../core/postgres/lsn.ts';
import type { SchemaReader } from '../../core/api/schema-reader.ts';
import type { SchemaDump, SnapshotSession } from '../../core/api/snapshot.ts';
import type {
  ChangeStream,
  PublishedTable,
  RowsAsked,
  SnapshotStart,
  Source,
  SourceCatalog,
  SourceControl,
  StreamStart,
} from '../../core/api/source.ts';
import type { Tuple } from '../../core/postgres/tuple.ts';
import { PgsluiceError } from '../../core/base/error.ts';
import { PostgresDigests } from '../../core/postgres/digest.ts';
import { readCatalog, readIdentity } from './catalog/catalog.ts';
import { eventTriggers } from './checks/privileges.ts';
import { runChecks } from './checks/run.ts';
import { PostgresControl } from './control/control.ts';
import { flushBeyond } from './control/flush-beyond.ts';
import { Heartbeat } from './control/heartbeat.ts';
import { installDdl } from './ddl/install.ts';
import { Describer } from './describe.ts';
import { RowFetcher } from './fetch-rows.ts';
import { KeptClient } from './kept-client.ts';
import { besideOf, defaultName } from './names.ts';
import type { PostgresSourceOptions } from './options.ts';
import { publish } from './publication/publish.ts';
import { dumpSchema } from './schema/dump.ts';
import { schemaReader } from './schema/manifest.ts';
import { type SourceAccess, ask, open, withClient } from './session.ts';
import { createOwnSlot, createSlot, dropSlot, temporaryName } from './slot.ts';
import { exportSnapshot } from './snapshot/export.ts';
import { PostgresSnapshot, type SessionPositions } from './snapshot/session.ts';
import { readSurroundings } from './surroundings.ts';
import { openStream } from './stream/open.ts';

/**
 * Wire bytes after which a batch of the stream is cut, and that are received ahead of the reader. A decoded batch takes
 * several times its wire size, and two to three are alive at a time: larger ones catch up no faster and take more memory
 * (bench/catchup.ts, `--workloads single`).
 */
const batchBytes = 1 << 20;
const bufferBytes = 8 << 20;

type OnlyBefore = Extract<SnapshotStart, { kind: 'only' }>['before'];

export class PostgresSource implements Source {
  readonly control: SourceControl;
  readonly digests: DigestReader;
  readonly schema: SchemaReader;
  readonly #access: SourceAccess;
  readonly #options: PostgresSourceOptions;
  readonly #context: PluginContext;
  readonly #describer: Describer;
  readonly #heartbeat: Heartbeat | null;
  readonly #fetcher: RowFetcher;

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
      owner: { pipeline: context.pipeline, ownership: null },
      log: context.log,
      kept: new KeptClient(),
    };
    this.#describer = new Describer(this.#access);
    this.#fetcher = new RowFetcher(this.#access);
    this.control = new PostgresControl(this.#access, options.tables ?? {});
    this.digests = new PostgresDigests(() => open(this.#access), context.name);
    this.schema = schemaReader(this.#access);
    this.#heartbeat =
      options.heartbeat === undefined ? null : new Heartbeat(this.control, options.heartbeat, context.log);
  }

  claim(ownership: Ownership): void {
    this.#access.owner.ownership = ownership;
  }

  catalog(signal: AbortSignal): Promise<SourceCatalog> {
    return ask(this.#access, signal, async (client) =>
      readCatalog(client, await readIdentity(client), this.#options.tables),
    );
  }

  publish(tables: readonly PublishedTable[], signal: AbortSignal): Promise<void> {
    const given = this.#options.snapshot?.mode === 'never';
    return withClient(this.#access, signal, (client) => publish(client, this.#access, tables, given));
  }

  beside(): Source {
    const { slot, publication } = besideOf(this.#access);
    const { heartbeat: _, ...options } = this.#options;
    const beside = new PostgresSource(
      { ...options, slot: { name: slot }, publication: { name: publication } },
      this.#context,
      true,
    );
    beside.#access.owner.ownership = this.#access.owner.ownership;
    return beside;
  }

  tellDdl(signal: AbortSignal): Promise<void> {
    const { pipeline } = this.#context;
    const tables = this.#options.tables;
    return withClient(this.#access, signal, (client) => installDdl(client, this.#access, { pipeline, tables }));
  }

  async snapshot(from: SnapshotStart, signal: AbortSignal): Promise<SnapshotSession> {
    if (from.kind === 'new') return this.#firstSnapshot(signal);
    if (from.kind === 'only') return this.#onlySnapshot(from.before, signal);
    return this.#laterSnapshot(from.handoff, signal);
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
          this.#context.log.log('error', 'slot-left', `slot ${slot} could not be dropped: ${said}`, { slot });
        },
      );
      throw error;
    }
  }

  async #laterSnapshot(handoff: HandoffLsn, signal: AbortSignal): Promise<SnapshotSession> {
    const made = await createSlot(
      this.#access,
      { name: temporaryName(this.#access), temporary: true, exportSnapshot: true },
      signal,
    );
    try {
      return await this.#import(made.snapshot, { handoff, exactAt: made.consistentPoint as SnapshotLsn }, signal);
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

  async #import(name: string, positions: SessionPositions, signal: AbortSignal): Promise<SnapshotSession> {
    const workers = this.#options.snapshot.workers;
    const session = await PostgresSnapshot.start(this.#access, { name, workers }, positions);
    if (!signal.aborted) return session;
    await session[Symbol.asyncDispose]();
    throw signal.reason;
  }

  async ensureSlot(signal: AbortSignal): Promise<HandoffLsn | null> {
    try {
      const made = await createOwnSlot(this.#access, { exportSnapshot: false }, signal);
      await made.close();
      return made.consistentPoint as HandoffLsn;
    } catch (error) {
      if (error instanceof PgsluiceError && error.code === 'PGS2113') return null;
      throw error;
    }
  }

  async stream(start: StreamStart, signal: AbortSignal): Promise<ChangeStream> {
    const { connection, name, application, slot, publication } = this.#access;
    this.#describer.connect();
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
    if (start.until !== null)
      await flushBeyond(this.#access, start.until).catch((error: unknown) => this.#notFlushed(error));
    return stream;
  }

  /** Without it the stream may end some seconds later, and no worse. */
  #notFlushed(error: unknown): void {
    const said = error instanceof Error ? error.message : String(error);
    this.#context.log.log('debug', 'not-flushed', `the stop position may be reached late: ${said}`);
  }

  fetchRows(asked: RowsAsked, signal: AbortSignal): Promise<readonly (Tuple | null)[]> {
    return this.#fetcher.fetch(asked, signal);
  }

  dumpSchema(session: SnapshotSession | null, signal: AbortSignal): Promise<SchemaDump> {
    return dumpSchema(this.#access, session?.name ?? null, signal);
  }

  surroundings(signal: AbortSignal): Promise<Surroundings> {
    return withClient(this.#access, signal, async (client) =>
      readSurroundings(client, await readCatalog(client, await readIdentity(client), this.#options.tables)),
    );
  }

  checkDdl(report: CheckReport, signal: AbortSignal): Promise<void> {
    return withClient(this.#access, signal, (client) => eventTriggers(client, report));
  }

  async check(report: CheckReport, signal: AbortSignal): Promise<void> {
    await runChecks(this.#access, this.#options, report, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#heartbeat?.stop();
    await this.#describer[Symbol.asyncDispose]();
    await this.#fetcher[Symbol.asyncDispose]();
    await this.#access.kept[Symbol.asyncDispose]();
  }
}
