import type { Column, RowChange, Shape, Transform, TransformPlugin, Tuple } from 'pgsluice/api';

interface MaskCardsOptions {
  readonly column: string;
  readonly keep: number;
}

/**
 * A transform from outside: keeps the last digits of card numbers. It changes values in code, which the planner cannot see
 * through, so its tables take the rows route (`pgsluice plan` says so). Node runs the file as it is.
 */
const plugin: TransformPlugin<MaskCardsOptions> = {
  kind: 'transform',
  name: 'mask-cards',
  apiVersion: 1,
  summary: 'Replaces all but the last digits of a card number',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['column'],
    properties: {
      column: { type: 'string', minLength: 1, description: 'Column with card numbers.' },
      keep: { type: 'integer', minimum: 0, maximum: 6, default: 4, description: 'Digits that stay.' },
    },
  },
  create: (options) => maskCards(options),
};
export default plugin;

function maskCards({ column, keep }: MaskCardsOptions): Transform {
  const mask = (text: string) => {
    const end = text.length - keep;
    return text.slice(0, end).replace(/\d/g, '*') + text.slice(end);
  };
  return {
    name: 'mask-cards',
    plan: (input: Shape) => {
      const at = input.columns.findIndex((one: Column) => one.name === column);
      if (at === -1) return { kind: 'identity' };
      // A value that was not sent (unchanged and large) is no string, and stays what it is.
      const masked = <T extends Tuple[number] | symbol>(row: readonly T[]) =>
        row.map((cell, i) => (i === at && typeof cell === 'string' ? mask(cell) : cell)) as T[];
      return {
        kind: 'opaque',
        because: `mask-cards rewrites ${column} in code`,
        output: { schema: input.schema, name: input.name, columns: input.columns },
        rows: (rows) => Promise.resolve(rows.map((row) => masked(row))),
        changes: (changes, output) =>
          Promise.resolve(
            changes.map((change): RowChange => {
              if (change.kind === 'insert') return { ...change, relation: output, after: masked(change.after) };
              const before = change.before && { ...change.before, tuple: masked(change.before.tuple) };
              if (change.kind === 'delete') return { ...change, relation: output, before: before! };
              return { ...change, relation: output, before, after: masked(change.after) as RowAfter };
            }),
          ),
      };
    },
  };
}
type RowAfter = Extract<RowChange, { kind: 'update' }>['after'];
