import type { RowChange } from '../../api/change.ts';
import type { Tuple } from '../../postgres/tuple.ts';
import { PgsluiceError } from '../../base/error.ts';
import type { OpaqueTail, Projection } from '../../api/plan.ts';
import type { Column, Relation } from '../../postgres/relation.ts';
import type { TransformPlan } from '../../api/transform.ts';
import { type ChangeMap, compileChangeMap } from './change-map.ts';
import type { DraftColumn } from './draft.ts';
import { planError } from './errors.ts';
import { opaqueOutput, outputRelation } from './output.ts';
import { compileRowMap } from './row-map.ts';

type Opaque = Extract<TransformPlan, { kind: 'opaque' }>;

/** A step in the part of a chain that only code understands. */
export type Stage =
  | { readonly kind: 'opaque'; readonly plan: Opaque; readonly label: string }
  | {
      readonly kind: 'project';
      readonly input: readonly Column[];
      readonly projection: Projection;
      readonly columns: readonly DraftColumn[];
    };

/** The output relation of a stage. */
export function stageOutput(stage: Stage, input: Relation, needsKey: boolean): Relation {
  if (stage.kind === 'opaque') return opaqueOutput(input, stage.plan.output);
  const { target } = stage.projection;
  return outputRelation(input, { schema: target.schema, name: target.name, columns: stage.columns, needsKey });
}

/** Runs the stages one after another, for snapshot rows and for changes. */
export function makeTail(input: Relation, stages: readonly Stage[], needsKey: boolean): OpaqueTail {
  const rowSteps = stages.map(rowStep);
  const changeSteps = stages.map((stage) => changeStep(stage, needsKey));
  const opaque = stages.flatMap((stage) => (stage.kind === 'opaque' ? [`${stage.label}: ${stage.plan.because}`] : []));
  return {
    input,
    because: opaque.join('; '),
    rows: async (rows) => {
      let current = rows;
      for (const step of rowSteps) current = await step(current);
      return current;
    },
    changes: async (changes) => {
      let current = changes;
      for (const step of changeSteps) current = await step(current);
      return current;
    },
  };
}

function rowStep(stage: Stage): (rows: readonly Tuple[]) => readonly Tuple[] | Promise<readonly Tuple[]> {
  if (stage.kind === 'opaque') return (rows) => named(stage, () => stage.plan.rows(rows));
  const map = compileRowMap(stage.input, stage.projection);
  const { where } = map;
  return (rows) => (where === null ? rows : rows.filter((row) => where(row))).map((row) => map.row(row));
}

function changeStep(
  stage: Stage,
  needsKey: boolean,
): (changes: readonly RowChange[]) => readonly RowChange[] | Promise<readonly RowChange[]> {
  const outputs = new WeakMap<Relation, Relation>();
  const outputOf = (input: Relation): Relation => {
    let output = outputs.get(input);
    if (output === undefined) outputs.set(input, (output = stageOutput(stage, input, needsKey)));
    return output;
  };
  if (stage.kind === 'opaque') {
    return (changes) => {
      const first = changes[0];
      return first === undefined ? changes : named(stage, () => stage.plan.changes(changes, outputOf(first.relation)));
    };
  }
  const maps = new WeakMap<Relation, ChangeMap>();
  return (changes) => {
    const out: RowChange[] = [];
    for (const change of changes) {
      let map = maps.get(change.relation);
      if (map === undefined) {
        map = compileChangeMap(change.relation, stage.projection, outputOf(change.relation));
        maps.set(change.relation, map);
      }
      const mapped = map.map(change);
      if (mapped !== null) out.push(mapped);
    }
    return out;
  };
}

/** Names the transform and the table in an error of the plugin's code. */
async function named<T>(stage: Extract<Stage, { kind: 'opaque' }>, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof PgsluiceError) throw error;
    const { schema, name } = stage.plan.output;
    const text = error instanceof Error ? error.message : String(error);
    throw planError('PGS4015', text, { where: { table: `${schema}.${name}`, step: stage.label }, cause: error });
  }
}
