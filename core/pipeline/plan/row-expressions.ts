import type { RowExpressions } from '../../api/expressions.ts';
import { compileValue } from '../../expr/compile.ts';
import { columnsOf } from '../../expr/tree.ts';
import { loadParser } from '../../expr/parse.ts';
import { planError } from './errors.ts';
import { transformTools } from './tools.ts';
import { computedColumn } from '../../expr/typing.ts';

/** The expressions of sinks, over the output of the transforms. */
export async function rowExpressions(): Promise<RowExpressions> {
  await loadParser();
  return {
    parse(sql, relation, option) {
      const { schema, name, columns } = relation;
      const expr = transformTools.parse(sql, { source: relation, schema, name, columns }, { option });
      const places = new Map(columns.map((column, position) => [column.name, position]));
      const position = (of: string): number => {
        const found = places.get(of);
        if (found === undefined) throw planError('PGS4001', `there is no column ${of}`);
        return found;
      };
      return {
        reads: [...columnsOf(expr)].map(position),
        column: computedColumn('value', expr, columns),
        value: compileValue(expr, position),
      };
    },
  };
}
