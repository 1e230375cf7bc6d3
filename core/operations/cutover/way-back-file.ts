import { parse, stringify } from 'yaml';
import type { TablePlan } from '../../api/plan.ts';
import { relationName } from '../../postgres/relation.ts';
import { verifyError } from '../verify/errors.ts';
import type { AnyPlugin, FileKeys } from '../../api/plugin.ts';

const longestName = 41;

/**
 * The transform steps that the reverse pipeline is made of, by the plugin that has them; undefined: no plugin has one.
 */
export interface WayBackSteps {
  readonly drop: StepPlugin | undefined;
  readonly rename: StepPlugin | undefined;
}
type StepPlugin = Pick<AnyTransform, 'name' | 'step'>;
type AnyTransform = Extract<AnyPlugin, { readonly kind: 'transform' }>;

export interface WayBackPlugins {
  /** Name of the sink in the file. */
  readonly sink: string;
  readonly asSource: (given: FileKeys) => FileKeys;
  readonly asSink: (given: FileKeys) => FileKeys;
  readonly steps: WayBackSteps;
}

/** The first plugins that have such steps. */
export function wayBackSteps(plugins: readonly AnyPlugin[]): WayBackSteps {
  const transforms = plugins.filter((plugin) => plugin.kind === 'transform');
  return {
    drop: transforms.find(({ step }) => step?.drop !== undefined),
    rename: transforms.find(({ step }) => step?.rename !== undefined),
  };
}

function stepOf(
  plugin: StepPlugin | undefined,
  tables: string,
  options: (step: NonNullable<StepPlugin['step']>) => FileKeys,
): object {
  if (plugin?.step === undefined) throw verifyError('PGS7009', `no transform plugin can turn ${tables} round`);
  return { plugin: plugin.name, tables, ...options(plugin.step) };
}

interface Parts {
  readonly pipeline: string;
  readonly source: Readonly<Record<string, unknown>>;
  readonly sinks: readonly Readonly<Record<string, unknown>>[];
}

/**
 * The pipeline that replicates target to source, as a file: sides exchanged, names reversed, no copy. Values of the
 * original stay as they are written there, including `${…}`. Pure. Throws PGS7009 with every table that cannot be
 * reversed.
 */
export function wayBackFile(original: string, plans: readonly TablePlan[], given: WayBackPlugins): string {
  const { asSource, asSink, sink, steps } = given;
  const { pipeline, source, sinks } = parse(original) as Parts;
  const forward = sinks.find((each) => (each['name'] ?? each['plugin']) === sink);
  const turned = plans.map((plan) => turnRound(plan, steps));
  const problems = turned.flatMap(({ problem }) => (problem === null ? [] : [problem]));
  if (problems.length > 0) throw verifyError('PGS7009', problems.join('; '));
  const file = {
    pipeline: backName(pipeline),
    source: {
      ...asSource(forward ?? {}),
      tables: { include: plans.map((plan) => relationName(plan.output)) },
      snapshot: { mode: 'never' },
    },
    transforms: turned.flatMap(({ transforms }) => transforms),
    sinks: [asSink(source)],
  };
  const { transforms, ...rest } = file;
  const notes = turned.flatMap(({ notes: of }) => of).map((note) => `# - ${note}\n`);
  const head = `# The way back of pipeline ${pipeline}: written by its cutover, before the target took writes.\n# Run it to keep the old source up to date; cut it over to switch back.\n`;
  const remarks = notes.length === 0 ? '' : `# What it cannot carry back:\n${notes.join('')}`;
  return `${head}${remarks}${stringify(transforms.length === 0 ? rest : file, { lineWidth: 0 })}`;
}

/** Names of pipelines have a maximum length; two names cut at the same place would be equal. */
export function backName(pipeline: string): string {
  return `${pipeline.slice(0, longestName - '_back'.length)}_back`;
}

interface Turned {
  readonly transforms: readonly object[];
  readonly notes: readonly string[];
  readonly problem: string | null;
}

function turnRound(plan: TablePlan, steps: WayBackSteps): Turned {
  const { source, output, projection } = plan;
  const name = relationName(source);
  const no = (why: string): Turned => ({ transforms: [], notes: [], problem: `${name}: ${why}` });
  if (plan.tail !== null) return no(`it goes through code (${plan.tail.because})`);
  const drop: string[] = [];
  const columns: Record<string, string> = {};
  const back = new Set<string>();
  for (const column of projection.columns) {
    if (column.from === null || back.has(column.from)) drop.push(column.name);
    else {
      back.add(column.from);
      if (column.from !== column.name) columns[column.name] = column.from;
    }
  }
  const key = source.primaryKey.length > 0 ? source.primaryKey : keyOf(plan);
  const lost = key.map((at) => source.columns[at]!.name).filter((column) => !back.has(column));
  if (lost.length > 0) return no(`its key ${lost.join(', ')} is not in the target as it was`);
  const from = relationName(output);
  const transforms: object[] = [];
  if (drop.length > 0) transforms.push(stepOf(steps.drop, from, (step) => step.drop!(drop)));
  if (from !== name || Object.keys(columns).length > 0) {
    transforms.push(stepOf(steps.rename, from, (step) => step.rename!(from === name ? null : name, columns)));
  }
  return { transforms, notes: notesOf(plan, back), problem: null };
}

function keyOf({ source }: TablePlan): readonly number[] {
  return source.identity.kind === 'key' ? source.identity.positions : [];
}

function notesOf(plan: TablePlan, back: ReadonlySet<string>): string[] {
  const name = relationName(plan.source);
  const notes: string[] = [];
  if (plan.projection.where !== null) notes.push(`${name}: rows that the filter left out stay as they are.`);
  const kept = plan.source.columns.filter((column) => column.generated === 'never' && !back.has(column.name));
  if (kept.length > 0) {
    const names = kept.map((column) => column.name).join(', ');
    notes.push(`${name}: ${names} keep their old values; new rows get the column's default.`);
  }
  return notes;
}
