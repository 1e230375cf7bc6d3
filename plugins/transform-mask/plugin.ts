import { definePlugin } from '../../core/api/plugin.ts';
import type { Transform } from '../../core/api/transform.ts';
import { refetchSchema } from '../../core/api/schemas.ts';
import { type Asked, Mapping, Options, type Static } from '../../core/base/options.ts';
import { methodSchema } from './method-schema.ts';
import { maskColumn } from './methods.ts';

export const maskOptions = Options({
  columns: Mapping(methodSchema, {
    minProperties: 1,
    description: 'Method by column name. NULL stays NULL; the same value gives the same result.',
    examples: [{ email: { hash: { secret: '${MASK_KEY}' } }, phone: { digits: { secret: '${MASK_KEY}' } } }],
  }),
  refetch: refetchSchema,
});
export type MaskOptions = Static<typeof maskOptions>;

export const transformMask = definePlugin<MaskOptions>({
  kind: 'transform',
  name: 'mask',
  apiVersion: 1,
  summary: 'Replaces personal values: hash, redact, partial, null, digits',
  options: maskOptions,
  create: (given) => mask(given),
});

export function mask(given: Asked<MaskOptions, 'columns'>): Transform {
  const methods = new Map(Object.entries(given.columns));
  return {
    name: 'mask',
    plan: (input, tools) => {
      for (const name of methods.keys()) tools.column(input, name);
      return {
        kind: 'project',
        schema: input.schema,
        name: input.name,
        columns: input.columns.map((column) => {
          const method = methods.get(column.name);
          if (method === undefined) return { name: column.name, expr: tools.column(input, column.name) };
          return { name: column.name, expr: maskColumn(column, method, { input, tools }) };
        }),
        where: null,
        ...(given.refetch === false ? { refetch: false } : {}),
      };
    },
  };
}
