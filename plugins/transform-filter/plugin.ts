import { definePlugin } from '../../core/api/plugin.ts';
import type { Transform } from '../../core/api/transform.ts';

export interface FilterOptions {
  readonly where: string;
  readonly refetch?: boolean;
}

export const transformFilter = definePlugin<FilterOptions>({
  kind: 'transform',
  name: 'filter',
  apiVersion: 1,
  summary: 'Keeps the rows for which a SQL expression is true',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['where'],
    properties: {
      where: {
        type: 'string',
        minLength: 1,
        description: 'SQL expression over the columns of the table; rows for which it is false or NULL are left out.',
        examples: ["state <> 'draft'"],
      },
      refetch: {
        type: 'boolean',
        default: false,
        description:
          'A value that an UPDATE did not send (a large one that it left untouched) and that is needed is read from the source.',
      },
    },
  },
  create: (options) => filter(options),
});

export function filter({ where, refetch }: FilterOptions): Transform {
  return {
    name: 'filter',
    plan: (input, tools) => ({
      kind: 'project',
      schema: input.schema,
      name: input.name,
      columns: input.columns.map(({ name }) => ({ name, expr: tools.column(input, name) })),
      where: tools.parse(where, input, { option: 'where', boolean: true }),
      ...(refetch === true ? { refetch } : {}),
    }),
  };
}
