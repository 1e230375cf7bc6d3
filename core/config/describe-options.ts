import type { JsonSchema } from '../base/json-schema.ts';
import type { OptionChange } from '../base/options.ts';

/** One option of a plugin, for people. */
export interface OptionDescription {
  /** `snapshot.workers`. */
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  /** `default 4`, or null. */
  readonly fallback: string | null;
  readonly description: string;
  /** What a change of the option means for a running pipeline; null: it takes effect at the next start. */
  readonly change: OptionChange | null;
  readonly secret: boolean;
}

/** The keys of an options schema in order of declaration, nested keys with their path. */
export function describeOptions(schema: JsonSchema, prefix = ''): OptionDescription[] {
  const properties = (schema['properties'] ?? {}) as { readonly [key: string]: JsonSchema };
  const required = (schema['required'] ?? []) as readonly string[];
  const result: OptionDescription[] = [];
  for (const [key, option] of Object.entries(properties)) {
    const path = prefix + key;
    const nested = option['properties'] === undefined ? [] : describeOptions(option, `${path}.`);
    const fallback = option['default'];
    result.push({
      path,
      type: typeOf(option),
      required: required.includes(key),
      fallback: fallback === undefined || typeof fallback === 'object' ? null : `default ${String(fallback)}`,
      description: typeof option['description'] === 'string' ? option['description'] : '',
      change: (option['change'] as OptionChange | undefined) ?? null,
      secret: option['secret'] === true,
    });
    result.push(...nested);
  }
  return result;
}

function typeOf(schema: JsonSchema): string {
  if (Array.isArray(schema['enum'])) return schema['enum'].map(String).join(' | ');
  if ('const' in schema) return JSON.stringify(schema['const']);
  if (typeof schema['format'] === 'string') return schema['format'];
  const branches = (schema['anyOf'] ?? schema['oneOf']) as readonly JsonSchema[] | undefined;
  if (branches !== undefined) return [...new Set(branches.map(typeOf))].join(' | ');
  const types = [schema['type'] ?? 'any'].flat().filter((type) => type !== 'null');
  if (types.length === 1 && types[0] === 'array') {
    const items = schema['items'] as JsonSchema | undefined;
    return `list of ${items === undefined ? 'any' : typeOf(items)}`;
  }
  return types.map((type) => (type === 'object' ? 'mapping' : String(type))).join(' | ');
}
