import { derived, PgsluiceError } from '../../base/error.ts';
import type { SourceCatalog } from '../../api/source.ts';
import { Letters } from '../../expr/letters.ts';
import { loadParser } from '../../expr/parse.ts';
import { type PlanInput, planTables } from '../plan/planner.ts';
import type { PlannedSink, SinkInstance } from './instances.ts';
import { plainTraits } from '../../api/sink.ts';

/** Plans of all sinks, and what the mappers of the stream are made from. */
export interface Planning {
  readonly sinks: readonly PlannedSink[];
  readonly inputs: ReadonlyMap<string, PlanInput>;
  /** Tables of the source that the file leaves out. */
  readonly excluded: SourceCatalog['excluded'];
  /** By sink, where they are not in the state of this pipeline. */
  readonly deadLetters?: ReadonlyMap<string, number>;
}

/**
 * Asks each sink for its requirements and plans each table for it. `run`, `plan` and `verify` use the same function, so
 * what is shown is what is run. Throws every problem at once.
 */
export async function planSinks(
  sinks: readonly SinkInstance[],
  catalog: SourceCatalog,
  streaming: boolean,
  signal: AbortSignal,
): Promise<Planning> {
  const { problems, ...planning } = await planEach(sinks, catalog, streaming, signal);
  if (problems.length > 0) throw allOf(joined(problems));
  return planning;
}

/** The same for a pipeline that was started: a pattern whose tables were dropped meanwhile was valid then. */
export async function planAgain(...given: Parameters<typeof planSinks>): Promise<Planning> {
  const { problems, ...planning } = await planEach(...given);
  const serious = problems.filter(({ code }) => code !== 'PGS4007');
  if (serious.length > 0) throw allOf(joined(serious));
  return planning;
}

async function planEach(
  sinks: readonly SinkInstance[],
  catalog: SourceCatalog,
  streaming: boolean,
  signal: AbortSignal,
): Promise<Planning & { readonly problems: readonly PgsluiceError[] }> {
  const planned: PlannedSink[] = [];
  const inputs = new Map<string, PlanInput>();
  const problems: PgsluiceError[] = [];
  const transformed = sinks.some(({ steps }) => steps.length > 0);
  if (transformed) await loadParser();
  const folding = transformed ? ((await catalog.letters?.()) ?? null) : null;
  const letters = folding === null ? null : new Letters(folding);
  for (const instance of sinks) {
    const traits = { ...plainTraits, ...(await instance.sink.traits?.(signal)) };
    const input: PlanInput = {
      tables: catalog.tables,
      ...(catalog.whole === undefined ? {} : { whole: catalog.whole }),
      ...(catalog.parents === undefined ? {} : { parents: catalog.parents }),
      steps: instance.steps,
      sink: { name: instance.name, tables: instance.tables, traits },
      letters,
      sourceVersion: catalog.identity.version,
      streaming,
      catalogAt: catalog.at,
    };
    const result = planTables(input);
    problems.push(...result.problems.map((problem) => placed(problem, instance)));
    planned.push({ ...instance, traits, plans: result.plans, parents: result.parents });
    inputs.set(instance.name, input);
  }
  return { sinks: planned, inputs, excluded: catalog.excluded, problems };
}

/** Some of the tables. A pattern of the file that matches none of them, but one of the others, is no mistake. */
export function partOf(catalog: SourceCatalog, tables: SourceCatalog['tables']): SourceCatalog {
  return { ...catalog, tables, whole: catalog.whole ?? catalog.tables };
}

/** At its place in the file, if it is an error of a transform. */
function placed(problem: PgsluiceError, { steps }: SinkInstance): PgsluiceError {
  const step = steps.find(({ label }) => problem.where.step === label);
  return step?.place?.(problem) ?? problem;
}

/** A mistake in a transform of many tables is one problem, which names the first of them. */
function joined(problems: readonly PgsluiceError[]): readonly PgsluiceError[] {
  const groups = Map.groupBy(problems, ({ code, message, where }) => `${code} ${where.step ?? ''} ${message}`);
  return [...groups.values()].map(([first, ...others]) => {
    if (first === undefined || others.length === 0) return first!;
    const tables = `${others.length} more table${others.length === 1 ? '' : 's'}`;
    return derived(first, { message: `${first.message} (and in ${tables})`, cause: first.cause });
  });
}

/** One error that carries all: the first in the line, the others behind it, each on a line of its own when printed. */
export function allOf(problems: readonly PgsluiceError[]): PgsluiceError {
  const [first, ...others] = problems;
  if (first === undefined) throw new RangeError('no problem to report');
  if (others.length === 0) return first;
  return derived(first, { retry: 'never', cause: new AggregateError(problems) });
}
