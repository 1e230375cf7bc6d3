import type { AnyPlugin } from '../api/plugin.ts';
import type { JsonSchema } from '../base/json-schema.ts';
import { rootSchema, type UseKind } from './root-schema.ts';
import { useSchema } from './use-schema.ts';

/**
 * JSON Schema of whole pipeline files, for editors: where a plugin is used, the options of the built-in that `plugin`
 * names, and anything for a plugin from outside. Differs from what a run checks in one way: `${…}` may stand for any
 * value.
 */
export function pipelineSchema(plugins: readonly AnyPlugin[]): JsonSchema {
  const defs: Record<string, JsonSchema> = {};
  for (const kind of ['source', 'transform', 'sink', 'checkpoint'] as const) {
    const known = plugins.filter((plugin) => plugin.kind === kind);
    defs[kind] = choice(
      known.map((plugin) => plugin.name),
      kind,
    );
    for (const plugin of known) {
      defs[`${kind}-${plugin.name}`] = whole(plugin);
    }
  }
  const root = withReferences(rootSchema, 'root');
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'pgsluice pipeline', ...root, $defs: defs };
}

/** One use of a plugin: the keys around its options, and the options, side by side as in the file. */
function whole(plugin: AnyPlugin): JsonSchema {
  const { envelope, options } = useSchema(plugin);
  const { minProperties, maxProperties: _, required, ...rest } = options;
  const around = withReferences(envelope, plugin.kind)['properties'] as object;
  return {
    ...rest,
    description: plugin.summary,
    // A checkpoint takes keys that are left out from the sink.
    ...(required === undefined || plugin.kind === 'checkpoint' ? {} : { required }),
    // `plugin` itself counts here.
    ...(typeof minProperties === 'number' ? { minProperties: minProperties + 1 } : {}),
    properties: {
      ...around,
      plugin: { const: plugin.name, description: plugin.summary },
      ...(withReferences(options, plugin.kind)['properties'] as object),
    },
  };
}

/** A mapping with `plugin`; the name of a built-in selects the schema of its options. */
function choice(names: readonly string[], kind: UseKind): JsonSchema {
  return {
    type: 'object',
    required: ['plugin'],
    properties: {
      plugin: {
        description: 'A built-in name, an npm package, or a path (./my-plugin.ts) relative to this file.',
        anyOf: [{ enum: names }, { type: 'string', minLength: 1 }],
      },
    },
    allOf: names.map((name) => ({
      if: { properties: { plugin: { const: name } }, required: ['plugin'] },
      // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
      then: { $ref: `#/$defs/${kind}-${name}` },
    })),
  };
}

const reference: JsonSchema = { type: 'string', pattern: '\\$\\{[^}]+\\}' };
const units: Readonly<Record<string, string>> = {
  size: '^\\d+(\\.\\d+)?\\s*([kKMGT](i?[bB])|[bB])$',
  duration: '^\\d+(\\.\\d+)?\\s*(ms|s|m|min|h|d)$',
  rate: '^\\d+(\\.\\d+)?\\s*([kKMGT](i?[bB])|[bB])\\s*/\\s*s$',
};
const places: Readonly<Record<string, JsonSchema>> = {
  source: { $ref: '#/$defs/source' },
  checkpoint: { $ref: '#/$defs/checkpoint' },
  transforms: { $ref: '#/$defs/transform' },
  sinks: { $ref: '#/$defs/sink' },
};

/**
 * The schema with references where plugins are used, our own formats as patterns, and `${…}` allowed where the type is
 * not text already.
 */
function withReferences(schema: JsonSchema, at: UseKind | 'root'): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const [key, value] of Object.entries((schema['properties'] ?? {}) as Record<string, JsonSchema>)) {
    const place = at === 'root' || (at === 'sink' && key === 'transforms') ? places[key] : undefined;
    if (place === undefined) properties[key] = editable(value);
    else if (value['items'] === undefined) properties[key] = { ...place, description: value['description'] };
    else properties[key] = { ...value, items: place };
  }
  return { ...schema, properties };
}

function editable(schema: JsonSchema): JsonSchema {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'properties' || key === 'patternProperties') {
      result[key] = Object.fromEntries(
        Object.entries(value as object).map(([name, inner]) => [name, editable(inner as JsonSchema)]),
      );
    } else if (key === 'items' || key === 'additionalProperties') {
      result[key] = typeof value === 'object' ? editable(value as JsonSchema) : value;
    } else if (key === 'anyOf' || key === 'oneOf') {
      result[key] = (value as JsonSchema[]).map(editable);
    } else if (key === 'secret' || key === 'change' || key === 'expression') {
      // Only a run uses the keyword; editors do not know it.
    } else if (key === 'format' && units[String(value)] !== undefined) {
      result['pattern'] = `${units[String(value)]}|\\$\\{[^}]+\\}`;
    } else {
      result[key] = value;
    }
  }
  return takesText(schema) ? result : allowReference(result);
}

/** Text without a closed list of values: a reference passes as it is. */
function takesText(schema: JsonSchema): boolean {
  const closed = schema['enum'] !== undefined || schema['const'] !== undefined || schema['pattern'] !== undefined;
  const types = [schema['type'] ?? (closed ? 'string' : 'object')].flat();
  if (types.includes('object') || types.includes('array')) return true;
  return types.includes('string') && !closed;
}

function allowReference(schema: Record<string, unknown>): JsonSchema {
  const { description, default: fallback, ...rest } = schema;
  return {
    ...(description === undefined ? {} : { description }),
    ...(fallback === undefined ? {} : { default: fallback }),
    anyOf: [rest, reference],
  };
}
