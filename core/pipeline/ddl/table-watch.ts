import { PgsluiceError } from '../../base/error.ts';
import { type Oid, type Relation, relationName } from '../../postgres/relation.ts';
import type { TablePresence } from '../../api/source.ts';
import { planError } from '../plan/errors.ts';
import { qualified } from '../../postgres/quote.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import type { Book } from './book.ts';

export interface TableWatchOptions {
  readonly context: RunContext;
  readonly sinks: readonly PlannedSink[];
  readonly book: Book;
  /** The stream tells of dropped tables, too. */
  readonly follow: boolean;
  /** Milliseconds between two looks. */
  readonly every: number;
}

interface Finding {
  readonly error: PgsluiceError;
  /** The source's position after it was seen: everything of the table lies before. */
  readonly at: bigint;
}

/**
 * Looks at the source for what the stream does not tell: tables that were dropped, dropped and created again, or taken out
 * of the publication. The run ends with the statement that mends it once everything before is durable.
 */
export class TableWatch implements AsyncDisposable {
  readonly #options: TableWatchOptions;
  readonly #stop = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #findings = new Map<Oid, Finding>();
  #looking: Promise<void> | null = null;

  constructor(options: TableWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look().catch(() => {}), options.every);
    this.#timer.unref();
  }

  /** Aborts with the error that ends the run. */
  get fatal(): AbortSignal {
    return this.#stop.signal;
  }

  /** One look; the last one, after the stream has ended, throws what was found. */
  async look(last = false): Promise<void> {
    await this.#looking;
    this.#looking = this.#look().finally(() => (this.#looking = null));
    await this.#looking;
    // DDL that was followed in the meantime is no finding any more.
    const newest = new Set(this.#options.book.newest().map(({ relation }) => relation.oid));
    for (const oid of this.#findings.keys()) if (!newest.has(oid)) this.#findings.delete(oid);
    const [due] = [...this.#findings.values()].filter((finding) => last || this.#passed(finding.at));
    if (due === undefined) return;
    if (last) throw due.error;
    this.#stop.abort(due.error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking?.catch(() => {});
  }

  async #look(): Promise<void> {
    const { context, book } = this.#options;
    const presence = await context.source.control.tables?.();
    if (presence === undefined) return;
    const byOid = new Map(presence.map((table) => [table.oid, table]));
    const taken = this.#taken();
    const fresh: [Oid, PgsluiceError][] = [];
    for (const { relation } of book.newest()) {
      if (!taken.has(relation.oid) || this.#findings.has(relation.oid)) continue;
      const error = this.#problem(relation, byOid.get(relation.oid), presence);
      if (error === null) continue;
      if (error.code === 'PGS4016' && (await this.#goneInTargets(relation))) continue;
      fresh.push([relation.oid, error]);
    }
    if (fresh.length === 0) return;
    const at = await context.source.control.position();
    for (const [oid, error] of fresh) {
      this.#findings.set(oid, { error, at });
      const table = error.where.table ?? '';
      context.log.log(this.#options.follow ? 'debug' : 'warn', 'table-lost', `${table}: ${error.message}`, {
        table,
        code: error.code,
      });
    }
    // An idle source would not tell soon that the stream is beyond: something of our own behind it does.
    await context.source.control.emit('{"kind":"heartbeat"}').catch(() => {});
  }

  #passed(at: bigint): boolean {
    const { view } = this.#options.context;
    if ((view.confirmed ?? 0n) >= at) return true;
    return this.#options.sinks.every((sink) => (view.sink(sink.name).durable ?? 0n) >= at);
  }

  /** Tables that some sink gets. */
  #taken(): ReadonlySet<Oid> {
    return new Set(this.#options.sinks.flatMap((sink) => sink.plans.map((plan) => plan.source.oid)));
  }

  #problem(relation: Relation, now: TablePresence | undefined, all: readonly TablePresence[]): PgsluiceError | null {
    const table = relationName(relation);
    const where = { where: { table } };
    const resync = `Copy the table anew: pgsluice resync FILE ${table}`;
    if (now === undefined) {
      if (all.some((other) => relationName(other) === table)) {
        const message = 'the table was dropped and created again on the source; the new one is not replicated';
        return planError('PGS4017', message, { ...where, remedy: resync });
      }
      const remedy = `Run on the target, then run again: ${this.#drops(relation).join(' ')}`;
      return planError('PGS4016', 'the table was dropped on the source', { ...where, remedy });
    }
    if (!now.published && !now.unlogged) {
      const message = 'the table was taken out of the publication; its changes since then are not replicated';
      return planError('PGS4017', message, { ...where, remedy: resync });
    }
    const known = new Set(relation.columns.map((column) => column.name));
    const added = (now.listed ?? []).filter((name) => !known.has(name));
    if (added.length === 0 || !this.#takes(relation, added)) return null;
    const message = `new column ${added.join(', ')}, which the publication's list of columns leaves out`;
    return planError('PGS4012', message, { ...where, remedy: resync });
  }

  /** Whether a new column would be put out: it is not where the file keeps named columns only. */
  #takes(relation: Relation, added: readonly string[]): boolean {
    const plans = this.#options.sinks.flatMap((sink) => sink.plans.filter((plan) => plan.source.oid === relation.oid));
    return added.length > 0 && plans.some((plan) => plan.takesNewColumns === true);
  }

  #drops(relation: Relation): readonly string[] {
    return this.#options.sinks
      .filter(({ sink }) => sink.describe !== undefined)
      .flatMap(({ plans }) => plans.filter((plan) => plan.source.oid === relation.oid))
      .map((plan) => `DROP TABLE ${qualified(plan.output)};`);
  }

  /** The user dropped it there, too: then it is no longer of this pipeline. */
  async #goneInTargets(relation: Relation): Promise<boolean> {
    const { sinks, book, context } = this.#options;
    for (const { sink, plans } of sinks) {
      const outputs = plans.filter((plan) => plan.source.oid === relation.oid).map((plan) => plan.output);
      if (sink.describe === undefined || outputs.length === 0) continue;
      const found = await sink.describe(outputs, this.#stop.signal);
      if (found.some((columns) => columns !== null)) return false;
    }
    await book.leave(relation.oid);
    const table = relationName(relation);
    context.log.log('info', 'table-left', `${table} is dropped on both sides`, { table });
    return true;
  }
}
