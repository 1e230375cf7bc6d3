import type { JsonSchema } from '../base/json-schema.ts';
import { escapePointer } from './yaml-tree.ts';

/** A text in the options that their schema declares to be an expression. */
export interface FoundExpression {
  /** JSON pointer within the options. */
  readonly option: string;
  readonly sql: string;
}

/** All of them, each once; where a value may have several forms, those forms that declare an expression. */
export function expressionsIn(schema: JsonSchema, value: unknown): readonly FoundExpression[] {
  const found = new Map<string, string>();
  collect(schema, value, '', found);
  return [...found].map(([option, sql]) => ({ option, sql }));
}

function collect(schema: JsonSchema, value: unknown, at: string, found: Map<string, string>): void {
  if (typeof value === 'string' && schema['expression'] === true) found.set(at, value);
  for (const form of (schema['anyOf'] ?? []) as readonly JsonSchema[]) collect(form, value, at, found);
  if (typeof value !== 'object' || value === null) return;
  const own = (schema['properties'] ?? {}) as { readonly [key: string]: JsonSchema };
  for (const [key, inner] of Object.entries(value)) {
    const of = Array.isArray(value) ? schema['items'] : (own[key] ?? schema['additionalProperties']);
    if (typeof of === 'object' && of !== null) collect(of as JsonSchema, inner, `${at}/${escapePointer(key)}`, found);
  }
}
