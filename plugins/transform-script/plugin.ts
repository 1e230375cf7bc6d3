import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { definePlugin } from '../../core/api/plugin.ts';
import { refetchSchema } from '../../core/api/schemas.ts';
import type { Script } from '../../core/api/script.ts';
import type { Transform } from '../../core/api/transform.ts';
import { List, Mapping, Options, type Static, Text, Type } from '../../core/base/options.ts';
import { mapChanges } from './changes.ts';
import { scriptError, scriptErrors } from './errors.ts';
import { guardedScript } from './guarded-script.ts';
import { rowRunner } from './rows.ts';

const scriptOptions = Options({
  module: Text({
    description:
      'Path of the module, relative to the pipeline file; .ts works. Its default export is (rows, info) => rows.',
    examples: ['./enrich.ts'],
  }),
  add: Type.Optional(
    Mapping(Text({}), {
      description: 'Columns that the script adds to each row, with their types.',
      examples: [{ score: 'numeric(5,2)' }],
    }),
  ),
  drop: Type.Optional(
    List(Text({}), {
      uniqueItems: true,
      description: 'Columns that the script gets and does not return.',
    }),
  ),
  refetch: refetchSchema,
});
export type ScriptOptions = Static<typeof scriptOptions>;

export const transformScript = definePlugin<ScriptOptions>({
  kind: 'transform',
  name: 'script',
  apiVersion: 1,
  summary: 'Maps rows with a module of your own: rows in, rows out',
  errors: scriptErrors,
  options: scriptOptions,
  create: async (options, context) =>
    script(guardedScript(await load(resolve(context.directory, options.module)), context.debugValues), options),
});

async function load(path: string): Promise<Script> {
  let module: { readonly default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as { readonly default?: unknown };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw scriptError('PGS4060', `${path}: ${text}`, { cause: error });
  }
  if (typeof module.default !== 'function') {
    throw scriptError('PGS4060', `${path} has no function as its default export`);
  }
  return module.default as Script;
}

export function script(run: Script, options: Partial<Omit<ScriptOptions, 'module'>> = {}): Transform {
  const dropped = new Set(options.drop ?? []);
  return {
    name: 'script',
    plan: (input, tools) => {
      for (const name of dropped) tools.column(input, name);
      const columns = input.columns.filter((column) => column.generated === 'never');
      if (columns.some((column) => column.name === '__proto__')) {
        throw tools.problem('a script cannot have a column called __proto__');
      }
      const output = {
        schema: input.schema,
        name: input.name,
        columns: [
          ...columns.filter((column) => !dropped.has(column.name)),
          ...Object.entries(options.add ?? {}).map(([name, type]) => tools.newColumn(name, type)),
        ],
      };
      const runner = rowRunner(run, { input: { ...input, columns }, output: output.columns });
      return {
        kind: 'opaque',
        because: 'a script maps the rows',
        ...(options.refetch === false ? { refetch: false } : {}),
        output,
        rows: (rows) => runner(rows, 'snapshot'),
        changes: (changes, relation) => mapChanges((rows) => runner(rows, 'stream'), changes, relation),
      };
    },
  };
}
