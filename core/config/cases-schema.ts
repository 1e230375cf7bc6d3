import type { JsonSchema } from '../base/json-schema.ts';

const row: JsonSchema = {
  type: 'object',
  description: 'A row by column; values as they would stand in SQL, null for NULL. A column that is left out is NULL.',
};
const image = (description: string): JsonSchema => ({ ...row, description });

/** `tests:` of a pipeline file, and of the file beside it. */
export const testsSchema: JsonSchema = {
  type: ['array', 'null'],
  description: 'Cases for `pgsluice test`: a row or a change in, what comes out of the transforms, without a server.',
  items: {
    type: 'object',
    required: ['table', 'columns', 'expect'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', minLength: 1, description: 'What the case shows; default: its number.' },
      table: { type: 'string', minLength: 1, description: "The source's schema.table; a bare name is in public." },
      sink: {
        type: 'string',
        minLength: 1,
        description: 'Whose transforms come after the pipeline’s; default: the first sink.',
      },
      columns: {
        type: 'object',
        minProperties: 1,
        description: 'Type of each column of the source table, as in SQL.',
        additionalProperties: { type: 'string', minLength: 1 },
      },
      key: {
        anyOf: [
          { type: 'string', minLength: 1 },
          { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } },
        ],
        description: 'Columns of the primary key.',
      },
      identity: {
        type: 'string',
        enum: ['key', 'full'],
        description: 'Replica identity: what an UPDATE or DELETE tells of the old row. Default: key.',
      },
      row: image('A row of the snapshot, or an INSERT.'),
      update: {
        type: 'object',
        required: ['from', 'to'],
        additionalProperties: false,
        description: 'An UPDATE.',
        properties: { from: image('The row before.'), to: image('The row after.') },
      },
      delete: image('The row that a DELETE removes.'),
      target: { type: 'string', minLength: 1, description: 'The schema.table that it must go to.' },
      expect: {
        anyOf: [{ type: 'string', enum: ['nothing'] }, row, { type: 'array', items: row }],
        description:
          'nothing; for `row` the row that comes out, or a list; for `update` and `delete` one of {insert: row}, {update: row}, {delete: key}.',
      },
    },
  },
};

/** A file of cases beside the pipeline file. */
export const testFileSchema: JsonSchema = {
  type: 'object',
  required: ['tests'],
  additionalProperties: false,
  properties: { tests: testsSchema },
};
