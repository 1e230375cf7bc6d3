import { definePlugin } from '../../core/api/plugin.ts';
import { refetchSchema } from '../../core/api/schemas.ts';
import { type Asked, Mapping, Options, type Static, Text, Type } from '../../core/base/options.ts';
import type { Expr, Shape, Transform, TransformTools } from '../../core/api/transform.ts';

const expression = Text({ description: 'SQL expression over the columns as they were before this transform.' });

export const setOptions = Options({
  columns: Mapping(
    Type.Union([
      expression,
      Options({
        expr: expression,
        type: Type.Optional(Text({ description: 'The result is cast to this type: numeric(10,2).' })),
      }),
    ]),
    {
      minProperties: 1,
      description:
        'Expressions by column name. A name that exists is replaced in its place; a new one comes after the others. The column takes the type of the expression.',
      examples: [{ total: 'price * quantity', placed_on: { expr: 'placed_at', type: 'date' } }],
    },
  ),
  refetch: refetchSchema,
});
export type SetOptions = Static<typeof setOptions>;
export type SetColumn = SetOptions['columns'][string];

export const transformSet = definePlugin<SetOptions>({
  kind: 'transform',
  name: 'set',
  apiVersion: 1,
  summary: 'Computes columns, new ones or in place of old ones, from SQL expressions',
  options: setOptions,
  create: (options) => set(options),
});

export function set(options: Asked<SetOptions, 'columns'>): Transform {
  return {
    name: 'set',
    plan: (input, tools) => {
      const made = new Map(
        Object.entries(options.columns).map(([name, column]) => [name, compute(name, column, input, tools)]),
      );
      const kept = input.columns.map(({ name }) => ({ name, expr: made.get(name) ?? tools.column(input, name) }));
      const old = new Set(input.columns.map(({ name }) => name));
      const added = [...made].filter(([name]) => !old.has(name)).map(([name, expr]) => ({ name, expr }));
      return {
        kind: 'project',
        schema: input.schema,
        name: input.name,
        columns: [...kept, ...added],
        where: null,
        ...(options.refetch === false ? { refetch: false } : {}),
      };
    },
  };
}

function compute(name: string, column: SetColumn, input: Shape, tools: TransformTools): Expr {
  const pointer = `/columns/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  if (typeof column === 'string') return tools.parse(column, input, { option: pointer });
  const expr = tools.parse(column.expr, input, { option: `${pointer}/expr` });
  if (column.type === undefined) return expr;
  // A bare literal takes the type, as in SQL, and is not text that is cast.
  return expr.op === 'const' ? tools.constant(expr.text, column.type) : tools.cast(expr, column.type);
}
