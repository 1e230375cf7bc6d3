import { definePlugin } from '../../core/api/plugin.ts';
import type { Transform } from '../../core/api/transform.ts';
import { List, Options, type Static, Text, Type } from '../../core/base/options.ts';

const names = (description: string) => Type.Optional(List(Text({}), { minItems: 1, uniqueItems: true, description }));

export const columnsOptions = Options(
  {
    keep: names('Only these columns go on, in the order of the table.'),
    drop: names('All columns but these go on.'),
  },
  { minProperties: 1, maxProperties: 1 },
);
export type ColumnsOptions = Static<typeof columnsOptions>;

export const transformColumns = definePlugin<ColumnsOptions>({
  kind: 'transform',
  name: 'columns',
  apiVersion: 1,
  summary: 'Keeps or drops columns',
  options: columnsOptions,
  step: { drop: (names) => ({ drop: names }) },
  create: (options) => columns(options),
});

export function columns({ keep, drop }: ColumnsOptions): Transform {
  const listed = new Set(keep ?? drop ?? []);
  return {
    name: 'columns',
    plan: (input, tools) => {
      // The columns to drop must exist, too: a misspelt one would let the column through.
      for (const name of listed) tools.column(input, name);
      return {
        kind: 'project',
        schema: input.schema,
        name: input.name,
        columns: input.columns
          .filter(({ name }) => listed.has(name) === (keep !== undefined))
          .map(({ name }) => ({ name, expr: tools.column(input, name) })),
        where: null,
      };
    },
  };
}
