import type { AnyPlugin, JsonSchema } from '../api/plugin.ts';
import { snapshotSchema, tablesSchema } from '../api/schemas.ts';
import { envelopes } from './root-schema.ts';

const schemas = new WeakMap<AnyPlugin, JsonSchema>();

/** Schema of one use of a plugin: its options and the keys around them; closed, unless the plugin says otherwise. */
export function useSchema(plugin: AnyPlugin): JsonSchema {
  let schema = schemas.get(plugin);
  if (schema === undefined) {
    const { $id: _, ...options } = plugin.options;
    const own = (options['properties'] ?? {}) as { readonly [key: string]: JsonSchema };
    const shared = plugin.kind === 'source' ? { tables: tablesSchema, snapshot: snapshotSchema } : {};
    schema = {
      additionalProperties: options['unevaluatedProperties'] !== undefined,
      ...options,
      type: 'object',
      // A plugin cannot take the keys around its options for itself; `tables` and `snapshot` of a source it can.
      properties: { ...shared, ...own, ...envelopes[plugin.kind] },
    };
    schemas.set(plugin, schema);
  }
  return schema;
}
