import { definePlugin } from '../../core/api/plugin.ts';
import type { Transform } from '../../core/api/transform.ts';
import { type Method, maskColumn } from './methods.ts';

export interface MaskOptions {
  readonly columns: Readonly<Record<string, Method>>;
  readonly refetch?: boolean;
}

const secret = {
  type: 'string',
  minLength: 8,
  description: 'Key of the hash; the same key gives the same result in every table. Take it from ${NAME} or ${file:…}.',
} as const;
const one = (name: string, value: object, description: string) => ({
  type: 'object',
  additionalProperties: false,
  required: [name],
  description,
  properties: { [name]: value },
});
const options = (properties: object, required: readonly string[] = []) => ({
  type: 'object',
  additionalProperties: false,
  properties,
  required,
});

export const transformMask = definePlugin<MaskOptions>({
  kind: 'transform',
  name: 'mask',
  apiVersion: 1,
  summary: 'Replaces personal values: hash, redact, partial, null, digits',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['columns'],
    properties: {
      columns: {
        type: 'object',
        minProperties: 1,
        description: 'Method by column name. NULL stays NULL; the same value gives the same result.',
        additionalProperties: {
          anyOf: [
            { enum: ['redact', 'null'], description: 'redact: *** for every value. null: NULL for every value.' },
            one(
              'hash',
              options(
                {
                  secret,
                  length: { type: 'integer', minimum: 8, maximum: 64, description: 'Hex digits that are kept.' },
                },
                ['secret'],
              ),
              'HMAC-SHA256 of the value as hex text; of a uuid a uuid.',
            ),
            one(
              'partial',
              options({
                prefix: { type: 'integer', minimum: 0, description: 'Characters kept at the start.', default: 0 },
                suffix: { type: 'integer', minimum: 0, description: 'Characters kept at the end.', default: 0 },
                with: { type: 'string', description: 'What stands for the rest.', default: '***' },
              }),
              'Start and end of the value stay; a value that is no longer than both together is replaced whole.',
            ),
            one(
              'digits',
              options({ secret }, ['secret']),
              'Digits become other digits, everything else stays: the format is kept. Two values may become the same.',
            ),
          ],
        },
        examples: [{ email: { hash: { secret: '${MASK_KEY}' } }, phone: { digits: { secret: '${MASK_KEY}' } } }],
      },
      refetch: {
        type: 'boolean',
        default: false,
        description:
          'A value that an UPDATE did not send (a large one that it left untouched) and that is needed is read from the source.',
      },
    },
  },
  create: (given) => mask(given),
});

export function mask(given: MaskOptions): Transform {
  const methods = new Map(Object.entries(given.columns));
  return {
    name: 'mask',
    plan: (input, tools) => {
      for (const name of methods.keys()) tools.column(input, name);
      return {
        kind: 'project',
        schema: input.schema,
        name: input.name,
        columns: input.columns.map((column) => {
          const method = methods.get(column.name);
          if (method === undefined) return { name: column.name, expr: tools.column(input, column.name) };
          return { name: column.name, expr: maskColumn(column, method, { input, tools }) };
        }),
        where: null,
        ...(given.refetch === true ? { refetch: true } : {}),
      };
    },
  };
}
