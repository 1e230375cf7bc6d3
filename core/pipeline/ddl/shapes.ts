import type { MessageChange, StreamBatch } from '../../api/change.ts';
import type { ChangeMapper } from '../../api/plan.ts';
import { type Relation, relationName } from '../../postgres/relation.ts';
import { decodeDdl, type DdlMessage, relationOf } from '../plan/ddl/message.ts';
import { createMapper } from '../plan/mapper.ts';
import { planTable } from '../plan/plan-table.ts';
import { planTables } from '../plan/planner.ts';
import type { PlannedSink, RunContext } from '../open/instances.ts';
import { allOf, type Planning } from '../open/planning.ts';
import { acceptShapes } from './accept-shapes.ts';
import { ShapeHistory } from './shape-history.ts';
import { type Contained, containedIn } from './contained.ts';
import { runtimeError } from '../errors.ts';

export interface Following {
  /** DDL messages are carried out. */
  readonly follow: boolean;
  /**
   * A table about which the messages do not say enough is copied again; if not, a change of the target by the user is
   * trusted.
   */
  readonly copies: boolean;
}

/** The shapes of the source's tables along the stream, and the mappers made from them. */
export class Shapes {
  readonly history: ShapeHistory;
  readonly #context: RunContext;
  readonly #planning: Planning;

  readonly #how: Following;
  #contained: readonly Contained[] | null = null;

  private constructor(
    context: RunContext,
    planning: Planning,
    parts: { readonly history: ShapeHistory; readonly how: Following },
  ) {
    this.#context = context;
    this.#planning = planning;
    this.history = parts.history;
    this.#how = parts.how;
  }

  static async open(context: RunContext, planning: Planning, how: Following): Promise<Shapes> {
    const history = new ShapeHistory(context.state);
    const tables = [...planning.inputs.values()].flatMap((input) => input.tables);
    await history.add(tables.map((table) => table.relation));
    return new Shapes(context, planning, { history, how });
  }

  /**
   * Reads a batch before any sink gets it: shapes that DDL brings are in the history before rows of that shape are
   * written.
   */
  async see(batch: StreamBatch): Promise<void> {
    for (const change of batch.changes) {
      if (change.kind !== 'message') continue;
      const message = decodeDdl(change, this.#context.pipeline);
      if (message === null || this.#isContained(message, change.tx.finalLsn)) continue;
      await this.#note(message, change);
    }
  }

  /** Every copy was made after the message, so the history has its result. */
  #isContained(message: DdlMessage, finalLsn: bigint): boolean {
    const { sinks } = this.#planning;
    this.#contained ??= sinks.map((sink) => containedIn(this.#context, sink));
    return sinks.length > 0 && this.#contained.every((of) => of.hasDdl(message, finalLsn));
  }

  async #note(message: DdlMessage, change: MessageChange): Promise<void> {
    const at = { since: change.tx.finalLsn, lsn: change.lsn };
    const { log } = this.#context;
    if (message.op === 'failed') {
      const text = `${message.tag} on the source was not told (${message.message}); the pipeline stops where a table no longer fits`;
      log.log('warn', 'ddl-not-told', text, { sqlstate: message.sqlstate });
      return;
    }
    if (message.op === 'parts' || message.op === 'types') return;
    const shape = message.op === 'drop' ? message.before : message.after;
    const table = relationName(shape);
    log.log('info', 'ddl', `${message.tag} of ${table} on the source`, { table, tag: message.tag });
    if (shape.kind === 'partitioned') return;
    if (message.op === 'create' && !message.published) {
      const text = `${table} has rows already, or no key: it is copied by itself, or the run stops`;
      log.log('info', 'table-waits', text, { table });
      return;
    }
    if (message.op === 'create') this.#refuseMisfit(relationOf(shape), table);
    if (message.op === 'shape' && !this.history.has(shape.oid)) return;
    await this.history.note(shape.oid, at, message.op === 'drop' ? null : relationOf(shape));
    await this.#context.state.put(
      'tables',
      this.history.newest().map(({ relation }) => relationName(relation)),
    );
  }

  /** A new table that the file's transforms do not fit. */
  #refuseMisfit(relation: Relation, table: string): void {
    for (const input of this.#planning.inputs.values()) {
      const [problem] = planTable(relation, input).problems;
      if (problem === undefined) continue;
      const remedy = `${problem.remedy} Or leave the table out with tables.exclude.`;
      const details = { where: { table }, remedy, cause: problem };
      throw runtimeError('PGS6081', `${table} is new on the source: ${problem.message}`, details);
    }
  }

  /** For a sink at this position: its stream begins with the shapes that held there. */
  mapper(sink: PlannedSink, position: bigint): ChangeMapper {
    const { log } = this.#context;
    const ddl = this.#how.follow
      ? { followDdl: this.#context.pipeline, lateDdl: this.#context.source.ddl?.late === true }
      : {};
    const input = { ...this.#planning.inputs.get(sink.name)!, ...ddl, tables: this.history.at(position) };
    const { plans, problems } = planTables(input);
    // A pattern whose table was dropped meanwhile was valid when the pipeline was started.
    const serious = problems.filter((problem) => problem.code !== 'PGS4007');
    if (serious.length > 0) throw allOf(serious);
    const { stop } = this.#context;
    const { rows } = this.#context.source;
    // Only the run's stop aborts a fetch; the end of the round need not, as a fetch is short.
    const mapper = createMapper(input, plans, rows && ((asked) => rows.fetch(asked, stop)));
    for (const oid of this.history.left(position)) mapper.redefine(oid, null);
    // The target's table of that name may be another one, with other values.
    if (this.#how.copies) return mapper;
    const describe = sink.sink.describe === undefined ? null : sink.sink.describe.bind(sink.sink);
    const accept = acceptShapes({
      mapper,
      describe: describe === null ? null : (tables) => describe(tables, this.#context.stop),
      history: this.history,
      log: log.child({ sink: sink.name }),
    });
    return mapper.accepting(accept);
  }
}
