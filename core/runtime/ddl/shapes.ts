import type { ChangeMapper } from '../../api/plan.ts';
import { createMapper } from '../../plan/mapper.ts';
import { planTables } from '../../plan/planner.ts';
import type { PlannedSink, RunContext } from '../instances.ts';
import { allOf, type Planning } from '../planning.ts';
import { AcceptingMapper } from './accepting-mapper.ts';
import { Book } from './book.ts';

/** The shapes of the source's tables along the stream, and the mappers made from them. */
export class Shapes {
  readonly book: Book;
  readonly #context: RunContext;
  readonly #planning: Planning;

  private constructor(context: RunContext, planning: Planning, book: Book) {
    this.#context = context;
    this.#planning = planning;
    this.book = book;
  }

  static async open(context: RunContext, planning: Planning): Promise<Shapes> {
    const book = new Book(context.state);
    const tables = [...planning.inputs.values()].flatMap((input) => input.tables);
    await book.add(tables.map((table) => table.relation));
    return new Shapes(context, planning, book);
  }

  /** For a sink that stands at this position: its stream begins with the shapes that were there. */
  mapper(sink: PlannedSink, position: bigint): ChangeMapper {
    const { log } = this.#context;
    const input = { ...this.#planning.inputs.get(sink.name)!, tables: this.book.at(position) };
    const { plans, problems } = planTables(input);
    // A pattern whose table is gone by now was right when the pipeline was started.
    const serious = problems.filter((problem) => problem.code !== 'PGS4007');
    if (serious.length > 0) throw allOf(serious);
    const mapper = createMapper(input, plans);
    for (const oid of this.book.left(position)) mapper.redefine(oid, null);
    const describe = sink.sink.describe === undefined ? null : sink.sink.describe.bind(sink.sink);
    return new AcceptingMapper({
      mapper,
      describe: describe === null ? null : (tables) => describe(tables, this.#context.stop),
      book: this.book,
      log: log.child({ sink: sink.name }),
    });
  }
}
