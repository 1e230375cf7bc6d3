import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseName } from './databases.ts';
import { pairs } from './pairs.ts';

/** A run of Debezium that was kept, and how the sink is set to write the same. */
export interface Setting {
  readonly name: string;
  /** Of the sink, beside those that all have. */
  readonly options: Readonly<Record<string, string>>;
  readonly withNan: boolean;
  /** Default: the zoo. */
  readonly database?: DatabaseName;
  /** Default: the current one. */
  readonly release?: string;
}

/** JsonConverter with schemas.enable=false and true. */
export type Form = 'json' | 'json_schema';

export interface Recording extends Setting {
  readonly form: Form;
}

const words = { decimal: 'string', interval: 'string', hstore: 'json', binary: 'base64' };
const numbers = { decimal: 'double', time: 'connect', binary: 'hex', hstore: 'map' };
const string = { ...words, time: 'isostring' };
const mix2 = {
  decimal: 'double',
  interval: 'string',
  binary: 'base64',
  time: 'microseconds',
  transaction_metadata: 'true',
};
const nano = { time: 'nanoseconds' };

/** Recorded in both forms. */
const settings: readonly Setting[] = [
  { name: 'default', options: {}, withNan: false },
  { name: 'string', options: string, withNan: true },
  { name: 'double', options: numbers, withNan: true },
  { name: 'micro', options: { time: 'microseconds', binary: 'base64-url-safe' }, withNan: false },
  { name: 'nano', options: nano, withNan: false },
  { name: 'atm', options: { time: 'adaptive_time_microseconds' }, withNan: false },
  { name: 'txmeta', options: { transaction_metadata: 'true' }, withNan: false },
];

/** Recorded through JsonConverter, too: the envelopes that CloudEventsConverter was given. */
const cloud: Setting = { name: 'cloud', options: {}, withNan: false };

/** Recorded with schemas alone. */
const withSchemas: readonly Setting[] = [
  // Modes of values in combination.
  {
    name: 'mix1',
    options: { ...words, hstore: 'map', binary: 'base64-url-safe', time: 'connect' },
    withNan: true,
  },
  { name: 'mix2', options: mix2, withNan: true },
  { name: 'mix3', options: { hstore: 'map', binary: 'hex', time: 'isostring' }, withNan: false },
  { name: 'structured', options: { time: 'structured' }, withNan: false },
  // `source_version`: whole runs of releases whose forms differ, each in modes of its own.
  { name: 'default_27', options: {}, withNan: false, release: '2.7.4.Final' },
  {
    name: 'numbers_30',
    options: { ...numbers, transaction_metadata: 'true' },
    withNan: true,
    release: '3.0.8.Final',
  },
  { name: 'words_36', options: words, withNan: true, release: '3.6.1.Final' },
  // PostGIS and arrays of more dimensions (more.sql).
  { name: 'more', options: {}, withNan: false, database: 'more' },
  { name: 'more_string', options: string, withNan: false, database: 'more' },
  { name: 'more_double', options: numbers, withNan: false, database: 'more' },
  { name: 'more_mix2', options: mix2, withNan: false, database: 'more' },
  { name: 'more_27', options: {}, withNan: false, database: 'more', release: '2.7.4.Final' },
  { name: 'more_36', options: {}, withNan: false, database: 'more', release: '3.6.1.Final' },
  { name: 'odd', options: {}, withNan: false, database: 'odd' },
  // The ends of what types hold (far.sql).
  { name: 'far', options: {}, withNan: false, database: 'far' },
  { name: 'far_structured', options: { time: 'structured' }, withNan: false, database: 'far' },
  { name: 'far_nano', options: nano, withNan: false, database: 'far' },
];

/** Those of which a recording is here. */
const paired: readonly Setting[] = pairs
  .filter(({ name }) => existsSync(join(import.meta.dirname, 'debezium', `${name}.schemas.jsonl.br`)))
  .map((pair) => ({ ...pair, withNan: false }));

export const recordings: readonly Recording[] = [
  ...[...settings, cloud].map((setting) => ({ ...setting, form: 'json' as const })),
  ...[...settings, ...withSchemas, ...paired].map((setting) => ({ ...setting, form: 'json_schema' as const })),
];
