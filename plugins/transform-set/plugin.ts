import { definePlugin } from '../../core/api/plugin.ts';
import type { Expr, Shape, Transform, TransformTools } from '../../core/api/transform.ts';

export type SetColumn = string | { readonly expr: string; readonly type?: string };
export interface SetOptions {
  readonly columns: Readonly<Record<string, SetColumn>>;
  readonly refetch?: boolean;
}

const expression = {
  type: 'string',
  minLength: 1,
  description: 'SQL expression over the columns as they were before this transform.',
} as const;

export const transformSet = definePlugin<SetOptions>({
  kind: 'transform',
  name: 'set',
  apiVersion: 1,
  summary: 'Computes columns, new ones or in place of old ones, from SQL expressions',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['columns'],
    properties: {
      columns: {
        type: 'object',
        minProperties: 1,
        description:
          'Expressions by column name. A name that exists is replaced in its place; a new one comes after the others. The column takes the type of the expression.',
        additionalProperties: {
          anyOf: [
            expression,
            {
              type: 'object',
              additionalProperties: false,
              required: ['expr'],
              properties: {
                expr: expression,
                type: { type: 'string', minLength: 1, description: 'The result is cast to this type: numeric(10,2).' },
              },
            },
          ],
        },
        examples: [{ total: 'price * quantity', placed_on: { expr: 'placed_at', type: 'date' } }],
      },
      refetch: {
        type: 'boolean',
        default: false,
        description:
          'A value that an UPDATE did not send (a large one that it left untouched) and that is needed is read from the source.',
      },
    },
  },
  create: (options) => set(options),
});

export function set(options: SetOptions): Transform {
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
        ...(options.refetch === true ? { refetch: true } : {}),
      };
    },
  };
}

function compute(name: string, column: SetColumn, input: Shape, tools: TransformTools): Expr {
  const pointer = `/columns/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  if (typeof column === 'string') return tools.parse(column, input, { option: pointer });
  const expr = tools.parse(column.expr, input, { option: `${pointer}/expr` });
  if (column.type === undefined) return expr;
  // A bare literal takes the type, as it does in SQL, and is not text that is cast.
  return expr.op === 'const' ? tools.constant(expr.text, column.type) : tools.cast(expr, column.type);
}
