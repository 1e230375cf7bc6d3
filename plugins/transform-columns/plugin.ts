import { definePlugin } from '../../core/api/plugin.ts';
import type { Transform } from '../../core/api/transform.ts';

export interface ColumnsOptions {
  readonly keep?: readonly string[];
  readonly drop?: readonly string[];
}

const names = { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1, uniqueItems: true } as const;

export const transformColumns = definePlugin<ColumnsOptions>({
  kind: 'transform',
  name: 'columns',
  apiVersion: 1,
  summary: 'Keeps or drops columns',
  options: {
    type: 'object',
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
    properties: {
      keep: { ...names, description: 'Only these columns go on, in the order of the table.' },
      drop: { ...names, description: 'All columns but these go on.' },
    },
  },
  create: (options) => columns(options),
});

export function columns({ keep, drop }: ColumnsOptions): Transform {
  const listed = new Set(keep ?? drop ?? []);
  return {
    name: 'columns',
    plan: (input, tools) => {
      // Also the names to drop must exist: a misspelt one would let the column through.
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
