import type { PartialTuple } from '../postgres/tuple.ts';
import type { Expr } from './expr.ts';
import type { ArrayTypeName, TypeName } from './types.ts';
import type { ArrayValue } from './values/array.ts';
import type { Value, Values } from './values/codec.ts';

export type Call = Extract<Expr, { op: 'call' }>;
/** A compiled expression: from a row to a decoded value, null for SQL NULL. */
export type Evaluate = (row: PartialTuple) => Value | null;

/** The JavaScript type of an argument. */
type ValueOf<T> = T extends TypeName ? Values[T] : T extends ArrayTypeName ? ArrayValue : never;
type AnyTypeName = TypeName | ArrayTypeName;

/** One line of the function table: the SQL form and the JavaScript form side by side, so that they cannot drift apart unnoticed. */
export interface Entry {
  /** `lower(text)`, `+(int4,int4)`: what Expr.fn names. */
  readonly id: string;
  /** Name in SQL. */
  readonly name: string;
  readonly form: 'operator' | 'function' | 'cast' | 'special';
  /** Empty for special entries, whose types the parser resolves. */
  readonly args: readonly AnyTypeName[];
  readonly result: AnyTypeName | null;
  /** Marked IMMUTABLE on the server: folded when its arguments are constants, and allowed in a publication's row filter. */
  readonly immutable: boolean;
  /** NULL in any argument gives NULL without evaluation. */
  readonly strict: boolean;
  readonly sql: (args: readonly string[], call: Call) => string;
  readonly build: (args: readonly Evaluate[], call: Call) => Evaluate;
  /** Refuses arguments when the call is parsed (patterns, field names); null: accepted. */
  readonly check: ((args: readonly Expr[]) => Refusal | null) | null;
  /** Line for docs/expressions.md. */
  readonly doc: string;
}
export interface Refusal {
  readonly code: 'PGS4104' | 'PGS4106' | 'PGS4107' | 'PGS4108' | 'PGS4109';
  readonly message: string;
}

export interface EntryOverrides {
  readonly immutable?: boolean;
  readonly sql?: (args: readonly string[], call: Call) => string;
  readonly check?: (args: readonly Expr[]) => Refusal | null;
  readonly doc?: string;
}

const operatorName = /^[^a-z]+$/;

/** A strict function or operator over decoded values. */
export function strict<const A extends readonly AnyTypeName[], R extends AnyTypeName>(
  name: string,
  args: A,
  result: R,
  evaluate: (...values: { [K in keyof A]: ValueOf<A[K]> }) => ValueOf<R> | null,
): Entry {
  return strictWith({}, name, [args, result], evaluate);
}

/** As {@link strict}, with some properties overridden. */
export function strictWith<const A extends readonly AnyTypeName[], R extends AnyTypeName>(
  overrides: EntryOverrides,
  name: string,
  [args, result]: readonly [A, R],
  evaluate: (...values: { [K in keyof A]: ValueOf<A[K]> }) => ValueOf<R> | null,
): Entry {
  const operator = operatorName.test(name);
  return {
    id: `${name}(${args.join(',')})`,
    name,
    form: operator ? 'operator' : 'function',
    args,
    result,
    immutable: overrides.immutable ?? true,
    strict: true,
    sql: overrides.sql ?? (operator ? operatorSql(name, args) : functionSql(name, args)),
    build: (parts) => strictBuild(evaluate as unknown as StrictFunction, parts),
    check: overrides.check ?? null,
    doc: overrides.doc ?? '',
  };
}

type StrictFunction = (...values: readonly Value[]) => Value | null;

/** Every argument is evaluated before any is tested for NULL, as on the server: an error wins over a NULL. */
export function strictBuild(f: StrictFunction, parts: readonly Evaluate[]): Evaluate {
  const [a, b] = parts as [Evaluate, Evaluate];
  if (parts.length === 1) {
    return (row) => {
      const x = a(row);
      return x === null ? null : f(x);
    };
  }
  if (parts.length === 2) {
    return (row) => {
      const x = a(row);
      const y = b(row);
      return x === null || y === null ? null : f(x, y);
    };
  }
  return (row) => {
    const values = parts.map((part) => part(row));
    return values.includes(null) ? null : f(...(values as Value[]));
  };
}

const textual = new Set<string>(['text', 'varchar', 'bpchar', 'name', 'text[]', 'varchar[]', 'bpchar[]', 'name[]']);
/** Text is compared and folded under collation "C" on the server, whatever the column's collation is. */
export function collated(sql: string, type: string): string {
  return textual.has(type) ? `(${sql} COLLATE pg_catalog."C")` : sql;
}
/** Functions and operators whose result a collation decides; the others are printed without one. */
const sensitive = new Set(
  '= <> < <= > >= ~~ !~~ ~~* !~~* ~ !~ ~* !~* ^@ @> <@ && lower upper initcap replace strpos split_part starts_with regexp_replace'.split(
    ' ',
  ),
);
/** One explicit collation decides for all arguments. */
export function collateFirst(args: readonly string[], names: readonly string[]): readonly string[] {
  const first = names.findIndex((name) => textual.has(name));
  return args.map((arg, i) => (i === first ? collated(arg, names[i] as string) : arg));
}

export function operatorSql(name: string, types: readonly AnyTypeName[]) {
  return (args: readonly string[]): string => {
    const [a = '', b] = sensitive.has(name) ? collateFirst(args, types) : args;
    return b === undefined ? `(OPERATOR(pg_catalog.${name}) ${a})` : `(${a} OPERATOR(pg_catalog.${name}) ${b})`;
  };
}
export function functionSql(name: string, types: readonly AnyTypeName[]) {
  return (args: readonly string[]): string =>
    `pg_catalog.${name}(${(sensitive.has(name) ? collateFirst(args, types) : args).join(', ')})`;
}

/**
 * The bytes of a text as the stream has them, whatever the encoding of the server's database is. Functions that see bytes read these;
 * they are not IMMUTABLE then, as convert_to is not.
 */
export function utf8Sql(text: string): string {
  return `pg_catalog.convert_to(${text}, 'UTF8')`;
}

/** An entry that is not a plain strict function: AND, CASE, COALESCE, casts. */
export function special(
  id: string,
  parts: Pick<Entry, 'sql' | 'build'> & Partial<Pick<Entry, 'immutable' | 'strict' | 'form' | 'name' | 'doc'>>,
): Entry {
  return {
    id,
    name: parts.name ?? id,
    form: parts.form ?? 'special',
    args: [],
    result: null,
    immutable: parts.immutable ?? true,
    strict: parts.strict ?? false,
    sql: parts.sql,
    build: parts.build,
    check: null,
    doc: parts.doc ?? '',
  };
}
