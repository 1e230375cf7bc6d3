import { derived, PgsluiceError } from '../../base/error.ts';
import type { Expr } from '../../expr/expr.ts';
import type { Shape, TransformTools } from '../../api/transform.ts';
import { hint } from '../../base/suggest.ts';
import { call, castTo, literal } from '../../expr/cast.ts';
import { parseExpression, parsePredicate } from '../../expr/parse.ts';
import { columnExpr } from './draft.ts';
import { computedColumn } from '../../expr/typing.ts';
import { planError } from './errors.ts';

/** The tools with which transforms build their expressions. `loadParser()` must have resolved before a `parse`. */
export const transformTools: TransformTools = {
  parse: (sql, shape, context = {}) =>
    placed(context.option, () => (context.boolean === true ? parsePredicate : parseExpression)(sql, shape.columns)),
  column: shapeColumn,
  constant: (text, type = 'text', context = {}) => {
    const made = castTo(literal(text), type);
    return context.secret === true && made.op === 'const' ? { ...made, secret: true } : made;
  },
  cast: (expr, type) => castTo(expr, type),
  call: (fn, args) => call(fn, args),
  newColumn: (name, type) => computedColumn(name, castTo(literal(null), type), []),
  problem: (message, remedy) => planError('PGS4001', message, remedy === undefined ? {} : { remedy }),
};

function shapeColumn(shape: Shape, name: string): Expr {
  const column = shape.columns.find((each) => each.name === name);
  if (column !== undefined) return columnExpr(column);
  const names = shape.columns.map((each) => each.name);
  throw planError('PGS4001', `there is no column ${name}${hint(name, names, 'there are')}`);
}

/** The parser gives the place within the text; with the option's name the place in the file can be shown. */
function placed(option: string | undefined, parse: () => Expr): Expr {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof PgsluiceError) || option === undefined) throw error;
    const { line, column } = error.within ?? { line: 1, column: 1 };
    throw derived(error, { at: { option, line, column } });
  }
}
