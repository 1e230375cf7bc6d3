import type { JsonSchema } from '../base/json-schema.ts';

/** Which tables of the source; globs on `schema.table`. Default: every user table. */
export interface TablesOption {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}
/** How a pipeline starts. `never`: stream only, from where the slot is made. */
export type SnapshotMode = 'initial' | 'initial_only' | 'never';
export interface SnapshotOption {
  readonly mode: SnapshotMode;
  /** Connections that copy at the same time. */
  readonly workers: number;
  /** Bytes of heap per chunk. */
  readonly chunk_size: number;
}

const pattern: JsonSchema = { type: 'string', minLength: 1 };
const patterns: JsonSchema = { type: 'array', items: pattern, minItems: 1 };

/** Schema of a source's `tables`; core adds it to a source plugin that does not declare the key. */
export const tablesSchema: JsonSchema = {
  type: 'object',
  description: 'Tables to replicate. Default: every user table. A pattern that matches nothing is an error.',
  additionalProperties: false,
  properties: {
    include: { ...patterns, description: 'Globs on schema.table; a name without a dot is in schema public.' },
    exclude: { ...patterns, description: 'Globs on schema.table to leave out of what include chooses.' },
  },
};

/** Schema of a source's `snapshot`, read by core; core adds it to a source plugin that does not declare the key. */
export const snapshotSchema: JsonSchema = {
  type: 'object',
  description: 'How the tables are copied before the stream is followed.',
  additionalProperties: false,
  default: {},
  properties: {
    mode: {
      type: 'string',
      enum: ['initial', 'initial_only', 'never'],
      default: 'initial',
      description: 'initial: copy, then follow. initial_only: copy and end. never: follow only.',
    },
    workers: {
      type: 'integer',
      minimum: 1,
      maximum: 64,
      default: 4,
      description: 'Connections that copy at the same time.',
    },
    chunk_size: {
      type: 'string',
      format: 'size',
      default: '256MB',
      description: 'A larger table is read in ranges of about this size.',
    },
  },
};

/** One glob on `schema.table`, or a list of them: `tables` of transforms and sinks. */
export const tableListSchema: JsonSchema = {
  anyOf: [pattern, patterns],
  description: "Globs on the source's schema.table that this applies to. Default: all.",
};
