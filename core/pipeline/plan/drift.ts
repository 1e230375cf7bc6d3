import { oids, oidsOf } from '../../postgres/oids.ts';
import type { PgsluiceError } from '../../base/error.ts';
import type { Column, Relation } from '../../postgres/relation.ts';
import { planError } from './errors.ts';
import { qualified, quoteIdent } from '../../postgres/quote.ts';

/** How one output shape differs from another, by column name. */
export interface ShapeDiff {
  readonly added: readonly Column[];
  readonly removed: readonly Column[];
  readonly retyped: readonly { readonly was: Column; readonly is: Column }[];
}

/** Types differ by oid and modifier; other attributes are the server's to keep. */
export function sameColumnType(a: Column, b: Column): boolean {
  return a.type === b.type && a.typmod === b.typmod;
}

export function diffShapes(was: Relation, is: Relation): ShapeDiff {
  const before = new Map(was.columns.map((column) => [column.name, column]));
  const after = new Map(is.columns.map((column) => [column.name, column]));
  return {
    added: is.columns.filter((column) => !before.has(column.name)),
    removed: was.columns.filter((column) => !after.has(column.name)),
    retyped: is.columns.flatMap((column) => {
      const old = before.get(column.name);
      return old === undefined || sameColumnType(old, column) ? [] : [{ was: old, is: column }];
    }),
  };
}

export function isEmpty(diff: ShapeDiff): boolean {
  return diff.added.length + diff.removed.length + diff.retyped.length === 0;
}

/** A new shape of a source table, and what it would make of the output. */
export interface Drift {
  /** The new shape. */
  readonly source: Relation;
  readonly was: Relation;
  readonly is: Relation;
  /** Columns of the same names are different columns, which no look at the target's columns can show. */
  readonly replaced?: boolean;
}

const drifts = new WeakMap<object, Drift>();

/** The drift that an error carries; null for other errors. Follows the causes, as errors are wrapped on their way. */
export function driftOf(error: unknown): Drift | null {
  for (let at = error; typeof at === 'object' && at !== null; at = (at as { cause?: unknown }).cause) {
    const drift = drifts.get(at);
    if (drift !== undefined) return drift;
  }
  return null;
}

export function withDrift(error: PgsluiceError, drift: Drift): PgsluiceError {
  drifts.set(error, drift);
  return error;
}

/** The columns of a table at a moment as one number: equal for equal columns in equal order. */
export function numbersOf({ columns }: { readonly columns: readonly Numbered[] }): bigint {
  return columns.reduce((sum, { attnum }) => (sum * 1601n + BigInt(attnum ?? 0)) % (1n << 62n), 0n);
}

/** What identifies a column. */
type Numbered = Pick<Column, 'name'> & { readonly attnum?: number };

/**
 * Those of these names that now mean another column: one was dropped and another added under its name, or two exchanged
 * their names. Attribute numbers decide (pg_attribute.attnum). Where they are not known, the order decides, as columns
 * are in the order of their numbers.
 */
export function otherColumns(
  now: { readonly columns: readonly Numbered[] },
  then: { readonly columns: readonly Numbered[] },
  names: ReadonlySet<string>,
): readonly string[] {
  const before = new Map(then.columns.map((column) => [column.name, column]));
  const common = now.columns.filter(({ name }) => names.has(name) && before.has(name));
  const numbered = common.every(({ name, attnum }) => attnum !== undefined && before.get(name)!.attnum !== undefined);
  if (numbered) return common.filter(({ name, attnum }) => before.get(name)!.attnum !== attnum).map(({ name }) => name);
  const here = new Set(common.map(({ name }) => name));
  const order = then.columns.filter(({ name }) => here.has(name));
  return common.filter(({ name }, i) => order[i]!.name !== name).map(({ name }) => name);
}

/**
 * The values of these columns no longer belong to the target's columns of the same names; copying the table again is
 * correct in every case.
 */
export function replacedError(
  source: Pick<Relation, 'schema' | 'name'>,
  { was, is, moved }: { readonly was: Relation; readonly is: Relation; readonly moved: readonly string[] },
): PgsluiceError {
  const diff = diffShapes(was, is);
  const first = isEmpty(diff) ? '' : `Run on the target: ${mendingStatements(was, is, diff).join(' ')} Then copy`;
  const what = moved.length === 1 ? `column ${moved[0]} is another one` : `columns ${moved.join(', ')} are others`;
  return planError(
    'PGS4012',
    `the table changed on the source: ${what} of the same name (dropped and added again, or names were exchanged)`,
    {
      where: { table: `${was.schema}.${was.name}` },
      remedy: `${first === '' ? 'Copy' : first} the table again: pgsluice resync FILE ${source.schema}.${source.name}`,
    },
  );
}

/** New DDL on the source: the change, and the statements that make the same change in the target. */
export function driftError(was: Relation, is: Relation): PgsluiceError {
  const diff = diffShapes(was, is);
  const statements = mendingStatements(was, is, diff);
  const said = [
    ...(was.schema === is.schema && was.name === is.name ? [] : [`the table is now ${is.schema}.${is.name}`]),
    ...diff.added.map((column) => `new column ${column.name} ${column.typeName}`),
    ...diff.removed.map((column) => `column ${column.name} is gone`),
    ...diff.retyped.map((pair) => `column ${pair.is.name} was ${pair.was.typeName} and is ${pair.is.typeName}`),
  ];
  return planError('PGS4012', `the table changed on the source: ${said.join('; ')}`, {
    where: { table: `${was.schema}.${was.name}` },
    remedy: `Make the same change in the target (\`pgsluice verify FILE --schema\` prints it with the source's DEFAULT, at the parent of a tree, and with what depends on it), then run again: ${statements.join(' ')}`,
  });
}

function mendingStatements(was: Relation, is: Relation, diff: ShapeDiff): readonly string[] {
  const table = qualified(was);
  const statements: string[] = [];
  const [gone] = diff.removed;
  const [come] = diff.added;
  // One column replaced another of the same type: most likely a rename, which alone keeps the values.
  if (diff.removed.length === 1 && diff.added.length === 1 && gone && come && sameColumnType(gone, come)) {
    statements.push(`ALTER TABLE ${table} RENAME COLUMN ${quoteIdent(gone.name)} TO ${quoteIdent(come.name)};`);
  } else {
    for (const column of diff.added) {
      statements.push(`ALTER TABLE ${table} ADD COLUMN ${quoteIdent(column.name)} ${column.typeName};`);
    }
    for (const column of diff.removed) statements.push(`ALTER TABLE ${table} DROP COLUMN ${quoteIdent(column.name)};`);
  }
  for (const { is: column } of diff.retyped) {
    statements.push(`ALTER TABLE ${table} ALTER COLUMN ${quoteIdent(column.name)} TYPE ${column.typeName};`);
  }
  if (was.name !== is.name) statements.push(`ALTER TABLE ${table} RENAME TO ${quoteIdent(is.name)};`);
  if (was.schema !== is.schema) {
    const now = qualified({ schema: was.schema, name: is.name });
    statements.push(`ALTER TABLE ${now} SET SCHEMA ${quoteIdent(is.schema)};`);
  }
  return statements;
}

/** Type changes after which earlier values have the same text, if the column was altered without USING. */
const widening: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  [oids.int2, oidsOf('int4', 'int8', 'numeric')],
  [oids.int4, oidsOf('int8', 'numeric')],
  [oids.int8, oidsOf('numeric')],
  [oids.varchar, oidsOf('text', 'varchar')],
  [oids.text, oidsOf('varchar', 'text')],
  [oids.numeric, oidsOf('numeric')],
]);

/** Whether a value of the older type can stand for the newer one in a change that was made before the DDL. */
export function widens(older: Column, newer: Column): boolean {
  return sameColumnType(older, newer) || widening.get(older.baseType)?.has(newer.baseType) === true;
}
