import type { Expr, SqlType } from './expr.ts';
import type { PgsluiceError } from '../base/error.ts';
import type { Column } from '../postgres/relation.ts';
import { expressionError, type expressionErrors } from './errors.ts';
import { Refused } from './resolve.ts';
import { suggestion } from '../base/suggest.ts';
import { nameOf } from './types.ts';

type Code = keyof typeof expressionErrors;

/** The context that an expression is parsed in: its text and the columns it may name. */
export class Scope {
  readonly #text: string;
  readonly #columns: ReadonlyMap<string, Column>;
  constructor(sql: string, columns: readonly Column[]) {
    this.#text = sql;
    this.#columns = new Map(columns.map((column) => [column.name, column]));
  }

  /** An error at a byte offset of the text (0-based, UTF-8; below 0: its start), as `line:col: message`. */
  error(code: Code, offset: number, message: string): PgsluiceError {
    const before = Buffer.from(this.#text).subarray(0, Math.max(offset, 0)).toString();
    const lines = before.split('\n');
    const [line, column] = [lines.length, [...(lines.at(-1) as string)].length + 1];
    return expressionError(code, `${line}:${column}: ${message}`, { within: { line, column, message } });
  }

  /** Runs code that does not know its position, and adds the position to a refusal. */
  at<T>(offset: number, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (error instanceof Refused) throw this.error(error.code, offset, error.message);
      throw error;
    }
  }

  column(name: string, offset: number): Expr {
    const column = this.#columns.get(name);
    if (column === undefined) {
      throw this.error('PGS4102', offset, `no column ${JSON.stringify(name)}${suggestion(name, this.#columns.keys())}`);
    }
    return { op: 'column', name, type: typeOfColumn(column) };
  }
}

/** Domains are replaced by their base types; a type that expressions do not decode keeps its name for casts. */
export function typeOfColumn(column: Column): SqlType {
  const name = nameOf(column.baseType);
  // The values already obey what interval(3) or interval day to second allows.
  if (name === 'interval' || name === 'interval[]') return { oid: column.baseType, typmod: -1 };
  if (name !== null) return { oid: column.baseType, typmod: column.typmod };
  const kind = column.under?.typeKind === 'composite' ? 'composite' : column.typeKind;
  return { oid: column.baseType, typmod: column.typmod, name: column.typeName, kind };
}
