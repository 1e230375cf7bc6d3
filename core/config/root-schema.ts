import type { JsonSchema } from '../base/json-schema.ts';
import { tableListSchema } from '../api/schemas.ts';
import { testsSchema } from './cases-schema.ts';

export type UseKind = 'source' | 'transform' | 'sink' | 'checkpoint';

const plugin: JsonSchema = {
  type: 'string',
  minLength: 1,
  description: 'A built-in name, an npm package, or a path (./my-plugin.ts) relative to this file.',
};

/** A use of a plugin before its plugin is known: only `plugin` is looked at. */
const use: JsonSchema = { type: 'object', required: ['plugin'], properties: { plugin } };

/** The keys around a plugin's own options, by kind of plugin. */
export const envelopes: Readonly<Record<UseKind, { readonly [key: string]: JsonSchema }>> = {
  source: { plugin },
  checkpoint: { plugin },
  transform: { plugin, tables: tableListSchema },
  sink: {
    plugin,
    name: {
      type: 'string',
      pattern: '^[a-z][a-z0-9_]{0,40}$',
      description: 'name of this sink in reports and state: lower-case letters, digits and _; default: its plugin',
    },
    tables: tableListSchema,
    buffer: {
      type: 'string',
      format: 'size',
      default: '64MB',
      description: 'Memory for changes that this sink has not taken yet while other sinks go on; when full, all wait.',
    },
    transforms: {
      type: ['array', 'null'],
      items: use,
      description: 'Transforms for this sink alone, after those of the pipeline.',
    },
  },
};

/** The file around the plugins. */
export const rootSchema: JsonSchema = {
  type: 'object',
  required: ['pipeline', 'source', 'sinks'],
  additionalProperties: false,
  properties: {
    pipeline: {
      type: 'string',
      pattern: '^[a-z][a-z0-9_]{0,40}$',
      description:
        'names slot, publication and state: a lower-case letter, then up to 40 lower-case letters, digits and _',
    },
    source: { ...use, description: 'Where the data comes from.' },
    transforms: {
      type: ['array', 'null'],
      items: use,
      description: 'In order, each on what the one before made.',
    },
    sinks: { type: 'array', minItems: 1, items: use, description: 'Where the data goes: one or more.' },
    checkpoint: {
      ...use,
      description: 'Where progress is kept. Default: with the Postgres sink in its target, else in a file.',
    },
    http: {
      type: ['string', 'integer'],
      pattern:
        '^((\\[[0-9a-fA-F:.]+\\]|[^:\\s\\[\\]]+)?:)?(\\d{1,4}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])$',
      minimum: 0,
      maximum: 65535,
      description:
        'address of /metrics, /healthz, /readyz, /status.json and the page: HOST:PORT, or PORT on 127.0.0.1; a port is at most 65535',
    },
    limit: {
      type: 'object',
      additionalProperties: false,
      description: 'Spares a busy source.',
      properties: {
        rate: { type: 'string', format: 'rate', description: 'Bytes per second read in the snapshot: 50MB/s.' },
      },
    },
    tests: testsSchema,
    ddl: {
      type: 'string',
      enum: ['stop', 'follow'],
      default: 'stop',
      description: 'What happens when a table changes its shape: stop with the statement to run, or follow.',
    },
    dead_letter: {
      type: 'object',
      additionalProperties: false,
      minProperties: 1,
      description:
        'Changes that a sink cannot deliver go here, and the pipeline goes on. Default: a failing change stops it.',
      properties: {
        file: { type: 'string', minLength: 1, description: 'A file of JSON lines, relative to this file.' },
        topic: { type: 'string', minLength: 1, description: 'A Kafka topic, written through the first Kafka sink.' },
        max_failures: {
          type: 'integer',
          minimum: 1,
          default: 100,
          description: 'More failures of a sink than this within the window stop the pipeline.',
        },
        window: { type: 'integer', minimum: 1, default: 10000, description: 'The window, in changes.' },
      },
    },
  },
};
