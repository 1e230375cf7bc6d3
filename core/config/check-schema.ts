import type { JsonSchema } from '../base/json-schema.ts';
import { explain, type Scope } from './explain.ts';
import { checkOptions, coerceAt } from '../registry/options-schema.ts';
import type { TreeProblem } from './yaml-tree.ts';

export interface Checked {
  /** The value with defaults, coercions and units applied; meaningless if there are problems. */
  readonly value: unknown;
  readonly problems: readonly TreeProblem[];
}

/**
 * Checks a value of the file. A value that came through `${…}` is text; where the schema asks for a number or a boolean,
 * it is read as one, as if it stood in the file.
 */
export function checkSchema(schema: JsonSchema, value: unknown, scope: Scope): Checked {
  const coerced = structuredClone(value);
  for (;;) {
    const result = structuredClone(coerced);
    const errors = checkOptions(schema, result);
    let again = false;
    for (const error of errors) {
      if (error.keyword !== 'type' || !scope.tree.interpolated(scope.pointer + error.instancePath)) continue;
      const types = [error.parentSchema?.['type']].flat().map(String);
      if (coerceAt(coerced, error.instancePath, types)) again = true;
    }
    if (!again) return { value: result, problems: explain(errors, scope) };
  }
}
