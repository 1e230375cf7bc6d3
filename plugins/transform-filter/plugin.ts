import { definePlugin } from '../../core/api/plugin.ts';
import { refetchSchema } from '../../core/api/schemas.ts';
import type { Transform } from '../../core/api/transform.ts';
import { type Asked, Options, type Static, Text } from '../../core/base/options.ts';

export const filterOptions = Options({
  where: Text({
    description: 'SQL expression over the columns of the table; rows for which it is false or NULL are left out.',
    examples: ["state <> 'draft'"],
  }),
  refetch: refetchSchema,
});
export type FilterOptions = Static<typeof filterOptions>;

export const transformFilter = definePlugin<FilterOptions>({
  kind: 'transform',
  name: 'filter',
  apiVersion: 1,
  summary: 'Keeps the rows for which a SQL expression is true',
  options: filterOptions,
  create: (options) => filter(options),
});

export function filter({ where, refetch }: Asked<FilterOptions, 'where'>): Transform {
  return {
    name: 'filter',
    plan: (input, tools) => ({
      kind: 'project',
      schema: input.schema,
      name: input.name,
      columns: input.columns.map(({ name }) => ({ name, expr: tools.column(input, name) })),
      where: tools.parse(where, input, { option: 'where', boolean: true }),
      ...(refetch === false ? { refetch } : {}),
    }),
  };
}
