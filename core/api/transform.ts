import type { RowChange } from './change.ts';
import type { Tuple } from '../postgres/tuple.ts';
import type { PgsluiceError } from '../base/error.ts';
import type { Expr } from '../expr/expr.ts';
import type { Column, Relation } from '../postgres/relation.ts';

export type { Expr } from '../expr/expr.ts';

/** A table as the transforms before this one have made it. Expressions name its columns. */
export interface Shape {
  /** The source table, for patterns in `tables:` (they always match the source's names). */
  readonly source: Relation;
  readonly schema: string;
  readonly name: string;
  /**
   * Generated columns are among them, so that they can be renamed and dropped; the stream does not carry their values, so
   * an expression that reads one is refused.
   */
  readonly columns: readonly Column[];
}

export interface TransformTools {
  /**
   * Parses a SQL expression over the shape's columns. Throws a PgsluiceError that says line and column within the text, and
   * within which option where that is told (`where`, `/columns/total`). `boolean` asks for a predicate.
   */
  parse(sql: string, shape: Shape, more?: { readonly option?: string; readonly boolean?: boolean }): Expr;
  /** The column itself. An unknown name throws, with a name that is meant where one is near. */
  column(shape: Shape, name: string): Expr;
  /** A constant of a type written as in a cast (default `text`); null is SQL NULL. `secret` keeps it out of `plan` and publications. */
  constant(text: string | null, type?: string, more?: { readonly secret?: boolean }): Expr;
  /** An explicit cast to a type written as in SQL: `numeric(10,2)`. Throws where the language has no such cast. */
  cast(expr: Expr, type: string): Expr;
  /** A call of the function table by its SQL name (`lower`, `||`), overload and types resolved. */
  call(fn: string, args: readonly Expr[]): Expr;
  /** A column of a new name and a type written as in SQL, for the output of an opaque step. */
  newColumn(name: string, type: string): Column;
  /** A refusal (to be thrown); core adds the transform's label and the table. */
  problem(message: string, remedy?: string): PgsluiceError;
}

/** What a transform makes of one table. Expressions are over the input shape's columns. */
export type TransformPlan =
  | { readonly kind: 'identity' }
  | { readonly kind: 'drop' }
  | {
      readonly kind: 'project';
      readonly schema: string;
      readonly name: string;
      readonly columns: readonly { readonly name: string; readonly expr: Expr }[];
      readonly where: Expr | null;
      /** False: where a value is needed that an UPDATE did not send, the stream stops, else it is fetched (TablePlan.refetch). One step that says so decides for the table. */
      readonly refetch?: boolean;
    }
  | {
      readonly kind: 'opaque';
      readonly because: string;
      readonly refetch?: boolean;
      readonly output: { readonly schema: string; readonly name: string; readonly columns: readonly Column[] };
      readonly rows: (rows: readonly Tuple[]) => Promise<readonly Tuple[]>;
      /**
       * Changes of one relation, in order; `output` is what the results must carry as their relation. Where the identity
       * is a key, the columns of the key must come out under their names with their values.
       */
      readonly changes: (changes: readonly RowChange[], output: Relation) => Promise<readonly RowChange[]>;
    };

/** Pure: the same shape gives the same plan. A changed table is planned again. */
export interface Transform {
  readonly name: string;
  plan(input: Shape, tools: TransformTools): TransformPlan;
}
