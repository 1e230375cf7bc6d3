import type { Cell, Tuple } from '../../core/postgres/tuple.ts';
import type { Column } from '../../core/postgres/relation.ts';
import type { Script, ScriptInfo, ScriptRow } from '../../core/api/script.ts';
import type { Shape } from '../../core/api/transform.ts';
import { scriptError } from './errors.ts';

export type RowRunner = (rows: readonly Tuple[], phase: ScriptInfo['phase']) => Promise<readonly Tuple[]>;

/** Calls a script with objects and checks its result: no forgotten or misspelt column becomes NULL (I7). */
export function rowRunner(
  script: Script,
  shape: { readonly input: Shape; readonly output: readonly Column[] },
): RowRunner {
  const { input, output } = shape;
  const names = input.columns.map((column) => column.name);
  const outputNames = output.map((column) => column.name);
  const allowed = new Set(outputNames);
  const info = (phase: ScriptInfo['phase']): ScriptInfo => ({
    source: { schema: input.source.schema, name: input.source.name },
    table: { schema: input.schema, name: input.name },
    columns: input.columns,
    phase,
  });
  const infos = { snapshot: info('snapshot'), stream: info('stream') };
  return async (rows, phase) => {
    const made: unknown = await script(
      rows.map((row) => toObject(names, row)),
      infos[phase],
    );
    if (!Array.isArray(made)) throw scriptError('PGS4061', `the script returned ${kindOf(made)} instead of an array`);
    return made.map((row: unknown) => toTuple(row, outputNames, allowed));
  };
}

function toObject(names: readonly string[], row: Tuple): ScriptRow {
  const object: ScriptRow = {};
  for (let i = 0; i < names.length; i++) object[names[i] as string] = row[i] as Cell;
  return object;
}

function toTuple(row: unknown, names: readonly string[], allowed: ReadonlySet<string>): Tuple {
  if (typeof row !== 'object' || row === null) {
    throw scriptError('PGS4061', `the script returned ${kindOf(row)} where a row should be`);
  }
  const cells = row as Readonly<Record<string, unknown>>;
  const tuple: Cell[] = [];
  for (const name of names) {
    const cell = cells[name];
    if (typeof cell !== 'string' && cell !== null) {
      throw scriptError('PGS4061', `column ${name} of a row is ${kindOf(cell)}; text or null is needed`);
    }
    tuple.push(cell);
  }
  // An undeclared name would be lost; a count is enough if all declared ones are present.
  const keys = Object.keys(cells);
  if (keys.length !== names.length) {
    const unknown = keys.find((key) => !allowed.has(key));
    throw scriptError('PGS4061', `a row has ${unknown ?? 'a column'}, which is not a column of the output`);
  }
  return tuple;
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value;
}
