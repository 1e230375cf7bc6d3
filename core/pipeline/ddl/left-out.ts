import type { Finding } from '../../api/check.ts';
import type { TablePlan } from '../../api/plan.ts';
import type { Source, SourceCatalog } from '../../api/source.ts';
import type { Dependent, LeftOut } from '../../api/source-database.ts';
import type { PlannedSink } from '../open/instances.ts';

/** The parts of the source's schema that a sink which creates it cannot have, and why. */
export async function cannotStay(
  source: Source,
  sink: PlannedSink,
  catalog: SourceCatalog,
  signal: AbortSignal,
): Promise<readonly Dependent[]> {
  const creates = sink.traits.schemaChanges === true && sink.traits.existing === null;
  if (!creates || source.schema === undefined) return [];
  const leftOut = [
    ...sink.plans.flatMap((plan) => leftOutOf(plan)),
    ...catalog.excluded.map(({ schema, name }) => ({ schema, name, columns: null })),
  ];
  return source.schema.dependents(leftOut, signal);
}

/** Columns that the target does not get, or gets with another type. */
function leftOutOf(plan: TablePlan): readonly LeftOut[] {
  const kept = new Set((plan.generated ?? []).map((column) => column.from));
  const from = new Set(plan.projection.columns.map((column) => column.from));
  const made = new Map(plan.output.columns.map((column) => [column.name, column]));
  const columns = plan.source.columns
    .filter(({ name, typeName }) => !kept.has(name) && !from.has(name) && made.get(name)?.typeName !== typeName)
    .map(({ name }) => name);
  return columns.length === 0 ? [] : [{ schema: plan.source.schema, name: plan.source.name, columns }];
}

/** Lines of `plan`. */
export function printCannotStay(sink: PlannedSink, lost: readonly Dependent[]): string {
  if (lost.length === 0) return '';
  const lines = lost.map(({ object, needs }) => `  cannot stay: ${object}, as it needs ${needs}`);
  const then =
    sink.traits.leavesDependents === true
      ? 'dependents: cascade leaves them out'
      : 'a run is refused; dependents: cascade on the sink would leave them out';
  return `${lines.join('\n')}\n  ${then}\n\n`;
}

export function cannotStayFinding(sink: PlannedSink, { object, needs }: Dependent): Finding {
  const left = sink.traits.leavesDependents === true;
  return {
    check: 'dependents',
    level: left ? 'warning' : 'error',
    subject: `sink ${sink.name}`,
    message: `${object} ${left ? 'is left out' : 'cannot come along'}, as it needs ${needs}, which the file leaves out or changes`,
    remedy: left
      ? null
      : 'Set `dependents: cascade` on the sink to leave such objects out, or keep the column or table.',
  };
}
