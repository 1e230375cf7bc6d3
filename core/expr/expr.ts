import type { Oid, TypeKind } from '../postgres/relation.ts';
import type { Letters } from './letters.ts';

/** A type as expressions see it: from the source's catalog, with domains replaced by their base types. */
export interface SqlType {
  readonly oid: Oid;
  readonly typmod: number;
  /**
   * Only for types that are not built in (an enum, for example): the name as format_type prints it, and the kind of
   * type.
   */
  readonly name?: string;
  readonly kind?: TypeKind;
}

/**
 * A closed expression tree with PostgreSQL's semantics and resolved types. Everything but columns and constants is a
 * call: operators, casts, AND and CASE too. `fn` names an entry of the function table, which holds the SQL form and the
 * JavaScript form of it side by side, so the two compilers cannot drift apart unnoticed.
 */
export type Expr =
  | { readonly op: 'column'; readonly name: string; readonly type: SqlType }
  | {
      readonly op: 'const';
      readonly text: string | null;
      readonly type: SqlType;
      /** A key that `plan` must not show and no publication may hold. */
      readonly secret?: true;
    }
  | {
      readonly op: 'call';
      readonly fn: string;
      readonly args: readonly Expr[];
      readonly type: SqlType;
      /** For functions that fold letters: how they fold; absent: ASCII letters only. */
      readonly letters?: Letters;
    };
