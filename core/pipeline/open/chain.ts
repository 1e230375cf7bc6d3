import type { Transform } from '../../api/transform.ts';
import { relationName } from '../../postgres/relation.ts';
import { chosen } from '../plan/draft.ts';
import type { SinkInstance, TransformStep } from './instances.ts';

/** Pipelines that apply what another one writes, seen from the one that writes. */
export interface Chain {
  /** Sinks of the appliers, with the transforms of both files: from the source's tables to the target's. */
  readonly sinks: readonly SinkInstance[];
  /** Changes that went to the appliers' dead letters, by sink. */
  readonly deadLetters: ReadonlyMap<string, number>;
  /** Resolves when the targets have, durably, all that is in the logs now; `patience` in milliseconds. */
  settle(patience: number): Promise<void>;
}

export interface ChainParts {
  /** Of the pipeline that writes the logs. */
  readonly writer: SinkInstance;
  /** Of the one that applies them. */
  readonly applier: SinkInstance;
  /** Tables, as the logs name them, that the appliers' file leaves out. */
  readonly excluded: readonly { readonly schema: string; readonly name: string }[];
  /** What labels of the appliers' steps begin with. */
  readonly label: string;
}

/** The writer's transforms and then the applier's, which see the tables under the names that the logs have. */
export function chainedSink({ writer, applier, excluded, label }: ChainParts): SinkInstance {
  const left = new Set(excluded.map(relationName));
  /** By the source's names: those in the logs, known once a table has passed the writer's steps. */
  const written = new Map<string, { readonly schema: string; readonly name: string }>();
  const between: Transform = {
    name: 'journal',
    plan({ source, schema, name }) {
      written.set(relationName(source), { schema, name });
      const taken = chosen(applier.tables, { schema, name }) && !left.has(relationName({ schema, name }));
      return { kind: taken ? 'identity' : 'drop' };
    },
  };
  const behind = ({ tables, transform, ...step }: TransformStep): TransformStep => ({
    ...step,
    label: `${label} ${step.label}`,
    tables: null,
    transform: {
      name: transform.name,
      plan(shape, tools) {
        const at = written.get(relationName(shape.source));
        if (at === undefined || !chosen(tables, at)) return { kind: 'identity' };
        return transform.plan({ ...shape, source: { ...shape.source, ...at } }, tools);
      },
    },
  });
  const entry = { transform: between, tables: null, label };
  return { ...applier, tables: writer.tables, steps: [...writer.steps, entry, ...applier.steps.map(behind)] };
}
