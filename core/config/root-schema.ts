import { tableListSchema } from '../api/schemas.ts';
import { Choice, Duration, List, Mapping, Options, schemaOf, Size, Text, Type } from '../base/options.ts';
import { testsSchema } from './cases-schema.ts';

export type UseKind = 'source' | 'transform' | 'sink' | 'checkpoint';

const plugin = Text({
  description: 'A built-in name, an npm package, or a path (./my-plugin.ts) relative to this file.',
});
/** A use of a plugin before the plugin is known: only `plugin` is checked. */
const use = (description?: string) =>
  Options({ plugin }, { additionalProperties: true, ...(description === undefined ? {} : { description }) });
/** Transforms decide which rows go where; tables that are copied were copied through them. */
const transforms = (description: string) => schemaOf<unknown>({ type: ['array', 'null'], items: use(), description });
export const remadeChange = {
  effect: 'refused',
  remedy: 'What is copied was made by the old ones: restore them, or start over (cleanup).',
} as const;

/** The keys around a plugin's own options, by kind of plugin. */
export const envelopes = {
  source: { plugin },
  checkpoint: { plugin },
  transform: { plugin, tables: Type.Optional(tableListSchema) },
  sink: {
    plugin,
    name: Type.Optional(
      Type.String({
        pattern: '^[a-z][a-z0-9_]{0,40}$',
        description: 'name of this sink in reports and state: lower-case letters, digits and _; default: its plugin',
      }),
    ),
    tables: Type.Optional({ ...tableListSchema, change: remadeChange }),
    buffer: Size({
      default: '64MB',
      description: 'Memory for changes that this sink has not taken yet while other sinks go on; when full, all wait.',
    }),
    transforms: Type.Optional(transforms('Transforms for this sink alone, after those of the pipeline.')),
  },
} as const;

/** The file around the plugins. */
export const rootSchema = Options({
  pipeline: Type.String({
    pattern: '^[a-z][a-z0-9_]{0,40}$',
    description:
      'names slot, publication and state: a lower-case letter, then up to 40 lower-case letters, digits and _',
    change: { effect: 'refused', remedy: 'Another name is another pipeline: start it by itself.' },
  }),
  source: use('Where the data comes from.'),
  transforms: Type.Optional(transforms('In order, each on what the one before made.')),
  sinks: List(use(), { minItems: 1, description: 'Where the data goes: one or more.' }),
  checkpoint: Type.Optional(
    use('Where progress is kept. Default: with the Postgres sink in its target, else in a file.'),
  ),
  http: Type.Optional(
    schemaOf<string | number>({
      type: ['string', 'integer'],
      pattern:
        '^((\\[[0-9a-fA-F:.]+\\]|[^:\\s\\[\\]]+)?:)?(\\d{1,4}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])$',
      minimum: 0,
      maximum: 65535,
      description:
        'address of /metrics, /healthz, /readyz, /status.json and the page: HOST:PORT, or PORT on 127.0.0.1; a port is at most 65535',
    }),
  ),
  otlp: Type.Optional(
    Options(
      {
        url: Text({
          pattern: '^https?://[^\\s?#@]+$',
          description: 'Of the collector, without /v1/metrics: http://127.0.0.1:4318.',
        }),
        every: Duration({ default: '15s', description: 'Time between two messages.' }),
        headers: Mapping(Text({ secret: true, pattern: '^[\\x20-\\x7e]+$' }), {
          default: {},
          description: 'Sent with each message.',
        }),
      },
      { description: 'The metrics go to an OpenTelemetry collector, by OTLP over HTTP with JSON.' },
    ),
  ),
  limit: Type.Optional(
    Options(
      {
        rate: Type.Optional(
          schemaOf<number>({
            type: 'string',
            format: 'rate',
            description: 'Bytes per second read in the snapshot: 50MB/s.',
          }),
        ),
      },
      { description: 'Spares a busy source.' },
    ),
  ),
  tests: Type.Optional(schemaOf<unknown>(testsSchema)),
  ddl: Choice(['stop', 'follow'], {
    default: 'stop',
    description: 'What happens when a table changes its shape: stop with the statement to run, or follow.',
  }),
  on_unknown_values: Choice(['resync', 'stop'], {
    default: 'resync',
    description:
      'With ddl: follow, when DDL gave rows values that only the source knows: copy the table again, or stop.',
  }),
  verify: Type.Optional(
    Options(
      {
        every: Duration({ default: '6h', description: 'Each row is compared once in this time.' }),
        repair: Type.Boolean({ default: false, description: 'Rows that differ are copied again.' }),
      },
      { description: 'Source and target are compared while the run goes on, a range of rows at a time.' },
    ),
  ),
  dead_letter: Type.Optional(
    Options(
      {
        file: Type.Optional(Text({ description: 'A file of JSON lines, relative to this file.' })),
        topic: Type.Optional(Text({ description: 'A Kafka topic, written through the first Kafka sink.' })),
        max_failures: Type.Integer({
          minimum: 1,
          default: 100,
          description: 'More failures of a sink than this within the window stop the pipeline.',
        }),
        window: Type.Integer({ minimum: 1, default: 10000, description: 'The window, in changes.' }),
      },
      {
        minProperties: 1,
        description:
          'Changes that a sink cannot deliver go here, and the pipeline goes on. Default: a failing change stops it.',
      },
    ),
  ),
});
