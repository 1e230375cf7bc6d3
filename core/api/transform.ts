import type { RowChange, Tuple } from './change.ts';
import type { Expr } from './expr.ts';
import type { Column, Relation } from './relation.ts';

/** A table as the transforms before this one have made it. Expressions name its columns. */
export interface Shape {
  /** The source table, for patterns in `tables:` (they always match the source's names). */
  readonly source: Relation;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly Column[];
}

export interface TransformTools {
  /** Parses a SQL expression over the shape's columns. Throws a PgsluiceError that says line and column within the text. */
  parse(sql: string, shape: Shape): Expr;
  /** A call of the function table, types resolved; for transforms that build expressions themselves. */
  column(shape: Shape, name: string): Expr;
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
    }
  | {
      readonly kind: 'opaque';
      readonly because: string;
      readonly output: { readonly schema: string; readonly name: string; readonly columns: readonly Column[] };
      readonly rows: (rows: readonly Tuple[]) => Promise<readonly Tuple[]>;
      readonly changes: (changes: readonly RowChange[], output: Relation) => Promise<readonly RowChange[]>;
    };

/** Pure: the same shape gives the same plan. A changed table is planned again. */
export interface Transform {
  readonly name: string;
  plan(input: Shape, tools: TransformTools): TransformPlan;
}
