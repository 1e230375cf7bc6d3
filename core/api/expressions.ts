import type { Column, Relation } from '../postgres/relation.ts';
import type { PartialTuple } from '../postgres/tuple.ts';

/** A SQL expression over the rows of one relation, in the language of the transforms. */
export interface RowExpression {
  /** Positions in {@link Relation.columns} of what it reads. */
  readonly reads: readonly number[];
  /** Its value as a column, for what depends on the type. */
  readonly column: Column;
  /** The server's text of the value. Throws PGS42xx where the server would raise an error, and where a value was not sent. */
  readonly value: (row: PartialTuple) => string | null;
}

/** What a sink builds expressions with; the declared option is an `Expression` of core/base/options.ts. */
export interface RowExpressions {
  /** Throws a PgsluiceError that says line and column within the text; `option` is its key, or its path as a JSON pointer. */
  parse(sql: string, relation: Relation, option: string): RowExpression;
}
