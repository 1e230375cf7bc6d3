import { compilePattern } from '../api/pattern.ts';
import type { Transform } from '../api/transform.ts';
import { dryName, type TableName } from './dry-plan.ts';

/** A transform of one sink's chain, with the patterns of the tables that it is for. */
export interface DryStep {
  readonly transform: Transform;
  readonly tables: readonly string[] | null;
}
export interface NameCollision {
  readonly sources: readonly string[];
  readonly target: string;
  /** The last step that gave one of the tables this name. */
  readonly step: DryStep;
}

/**
 * Tables that the file names without a wildcard and that end up with the same name, as far as that can be told without
 * a server. `only`: the sink's own patterns.
 */
export function nameCollisions(steps: readonly DryStep[], only: readonly string[] | null): readonly NameCollision[] {
  const literal = new Set(
    steps.flatMap((step) => step.tables ?? []).filter((name) => /^[^.*?[\]{}!]+\.[^.*?[\]{}!]+$/.test(name)),
  );
  const byTarget = new Map<string, { sources: string[]; step: DryStep | null }>();
  for (const table of literal) {
    const [schema = '', name = ''] = table.split('.');
    if (!isFor(only, { schema, name })) continue;
    const end = through(steps, { schema, name });
    if (end === null) continue;
    const target = `${end.name.schema}.${end.name.name}`;
    const group = byTarget.get(target) ?? { sources: [], step: null };
    byTarget.set(target, { sources: [...group.sources, table], step: end.step ?? group.step });
  }
  return [...byTarget].flatMap(([target, { sources, step }]) =>
    sources.length < 2 || step === null ? [] : [{ sources, target, step }],
  );
}

function through(steps: readonly DryStep[], source: TableName): { name: TableName; step: DryStep | null } | null {
  let name = source;
  let by: DryStep | null = null;
  for (const step of steps) {
    if (!isFor(step.tables, source)) continue;
    const next = dryName(step.transform, source, name);
    if (next === null) return null;
    if (next.schema !== name.schema || next.name !== name.name) by = step;
    name = next;
  }
  return { name, step: by };
}

function isFor(patterns: readonly string[] | null, table: TableName): boolean {
  return patterns === null || patterns.some((pattern) => compilePattern(pattern)(table));
}
