import type { Cell } from '../../postgres/tuple.ts';
import type { Column, Identity, Relation } from '../../postgres/relation.ts';
import { castTo, literal } from '../../expr/cast.ts';
import { compileValue } from '../../expr/compile.ts';
import { computedColumn } from '../../expr/typing.ts';

export interface TableText {
  readonly schema: string;
  readonly name: string;
  /** Column name to SQL type. */
  readonly columns: Readonly<Record<string, string>>;
  readonly key: readonly string[];
  readonly identity: 'key' | 'full';
}

/** A table as a server would describe it; types that expressions do not know are passed to `refuse`. */
export function caseRelation(table: TableText, refuse: (column: string, error: unknown) => void): Relation {
  const columns: Column[] = [];
  for (const [name, type] of Object.entries(table.columns)) {
    try {
      columns.push({ ...computedColumn(name, castTo(literal(null), type), []), notNull: table.key.includes(name) });
    } catch (error) {
      refuse(name, error);
    }
  }
  const positions = table.key.map((name) => columns.findIndex((column) => column.name === name));
  const identity: Identity =
    table.identity === 'full'
      ? { kind: 'full' }
      : positions.length === 0
        ? { kind: 'nothing' }
        : { kind: 'key', positions };
  return { oid: 1, schema: table.schema, name: table.name, kind: 'table', columns, identity, primaryKey: positions };
}

/** A value of the file as the server would print it in this column: `10` as numeric(8,2) is `10.00`. */
export function cellOf(value: unknown, column: Column): Cell {
  if (value === null || value === undefined) return null;
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const read = castTo(literal(text), column.typeName);
  return compileValue(read, () => -1)([]);
}
