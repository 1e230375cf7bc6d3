import { PgsluiceError } from '../../core/base/error.ts';
import { definePlugin } from '../../core/api/plugin.ts';
import type { Shape, Transform, TransformTools } from '../../core/api/transform.ts';
import { Mapping, Options, type Static, Text, Type } from '../../core/base/options.ts';

export const renameOptions = Options(
  {
    to: Type.Optional(
      Text({
        description:
          'New name: `schema.table`, or `table` in the same schema. {schema} and {table} stand for the names before.',
        examples: ['crm.account', 'archive.{schema}_{table}'],
      }),
    ),
    columns: Type.Optional(
      Mapping(Text({}), {
        minProperties: 1,
        description: 'New names of columns by their names before.',
        examples: [{ mail: 'email' }],
      }),
    ),
  },
  { minProperties: 1 },
);
export type RenameOptions = Static<typeof renameOptions>;

export const transformRename = definePlugin<RenameOptions>({
  kind: 'transform',
  name: 'rename',
  apiVersion: 1,
  summary: 'Gives schema, table and columns other names',
  options: renameOptions,
  step: {
    rename: (to, columns) => ({
      ...(to === null ? {} : { to }),
      ...(Object.keys(columns).length === 0 ? {} : { columns }),
    }),
  },
  create: (options) => rename(options),
});

export function rename(options: RenameOptions): Transform {
  const columns = new Map(Object.entries(options.columns ?? {}));
  refuseTwins(columns);
  return {
    name: 'rename',
    plan: (input, tools) => {
      for (const name of columns.keys()) tools.column(input, name);
      return {
        kind: 'project',
        ...newName(options.to, input, tools),
        columns: input.columns.map(({ name }) => ({
          name: columns.get(name) ?? name,
          expr: tools.column(input, name),
        })),
        where: null,
      };
    },
  };
}

/** Known without a table, and so reported by `validate`. */
function refuseTwins(columns: ReadonlyMap<string, string>): void {
  const from = new Map<string, string>();
  for (const [name, to] of columns) {
    const other = from.get(to);
    if (other !== undefined) {
      const remedy = 'Rename or drop one of them.';
      const spec = { remedy, exit: 2, retry: 'never' } as const;
      throw new PgsluiceError('PGS4003', spec, `columns ${other} and ${name} would both be called ${to}`);
    }
    from.set(to, name);
  }
}

/** Longest identifier in bytes (NAMEDATALEN - 1); the server would cut a longer one silently. */
const longest = 63;

/** The template is split at its dot before names are inserted, so that names with dots stay whole. */
function newName(to: string | undefined, input: Shape, tools: TransformTools): { schema: string; name: string } {
  if (to === undefined) return { schema: input.schema, name: input.name };
  const parts = to.split('.');
  if (parts.length > 2 || parts.includes('')) {
    throw tools.problem(`\`to\` is ${JSON.stringify(to)}; it must be table or schema.table`);
  }
  const [name, schema] = parts
    .map((part) =>
      part.replace(/\{([^}]*)\}/g, (_, which: string) => {
        if (which === 'schema') return input.schema;
        if (which === 'table') return input.name;
        throw tools.problem(`\`to\` has {${which}}; there are {schema} and {table}`);
      }),
    )
    .reverse() as [string, string | undefined];
  for (const each of [name, schema ?? '']) {
    if (Buffer.byteLength(each) > longest) throw tools.problem(`the name ${each} is longer than ${longest} bytes`);
  }
  return { schema: schema ?? input.schema, name };
}
