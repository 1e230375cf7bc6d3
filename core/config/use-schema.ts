import type { AnyPlugin } from '../api/plugin.ts';
import type { JsonSchema } from '../base/json-schema.ts';
import { snapshotSchema, tablesSchema } from '../api/schemas.ts';
import { envelopes, type UseKind } from './root-schema.ts';

/** The two parts of a plugin's use in the file, each with a schema of its own. */
export interface UseSchema {
  /** Keys that core reads: `plugin`, `name`, `tables`, `transforms`. */
  readonly envelope: JsonSchema;
  readonly envelopeKeys: readonly string[];
  /** The plugin's keys. */
  readonly options: JsonSchema;
  /** Every known key, for suggestions. */
  readonly keys: readonly string[];
}

const schemas = new WeakMap<AnyPlugin, UseSchema>();

/** Schemas of one use of a plugin; closed, unless the plugin says otherwise. A source has `tables` and `snapshot` in any case. */
export function useSchema(plugin: AnyPlugin): UseSchema {
  let schema = schemas.get(plugin);
  if (schema === undefined) {
    schema = make(plugin);
    schemas.set(plugin, schema);
  }
  return schema;
}

function make(plugin: AnyPlugin): UseSchema {
  const kind: UseKind = plugin.kind;
  const envelopeKeys = Object.keys(envelopes[kind]);
  const shared = kind === 'source' ? { tables: tablesSchema, snapshot: snapshotSchema } : {};
  const { $id: _, ...given } = plugin.options;
  const properties = { ...shared, ...(given['properties'] as object | undefined) };
  return {
    envelope: { type: 'object', required: ['plugin'], properties: envelopes[kind] },
    envelopeKeys,
    options: {
      additionalProperties: given['unevaluatedProperties'] !== undefined,
      ...given,
      type: 'object',
      properties,
    },
    keys: [...envelopeKeys, ...Object.keys(properties)],
  };
}
