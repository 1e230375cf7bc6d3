import type { Setting } from './replay.ts';

export const settings: readonly Setting[] = [
  { name: 'default', options: {}, withNan: false },
  {
    name: 'string',
    options: { decimal: 'string', interval: 'string', binary: 'base64', time: 'isostring' },
    withNan: true,
  },
  { name: 'double', options: { decimal: 'double', time: 'connect', binary: 'hex', hstore: 'map' }, withNan: true },
  { name: 'micro', options: { time: 'microseconds', binary: 'base64-url-safe' }, withNan: false },
  { name: 'nano', options: { time: 'nanoseconds' }, withNan: false },
  { name: 'atm', options: { time: 'adaptive_time_microseconds' }, withNan: false },
  { name: 'txmeta', options: { transaction_metadata: 'true' }, withNan: false },
  // Recorded through JsonConverter, too: the envelopes that CloudEventsConverter was given.
  { name: 'cloud', options: {}, withNan: false },
];

/** Modes of values in combination; recorded with schemas alone. */
export const mixtures: readonly Setting[] = [
  {
    name: 'mix1',
    options: { decimal: 'string', interval: 'string', hstore: 'map', binary: 'base64-url-safe', time: 'connect' },
    withNan: true,
  },
  {
    name: 'mix2',
    options: {
      decimal: 'double',
      interval: 'string',
      binary: 'base64',
      time: 'microseconds',
      transaction_metadata: 'true',
    },
    withNan: true,
  },
  { name: 'mix3', options: { hstore: 'map', binary: 'hex', time: 'isostring' }, withNan: false },
];

/** PostGIS and arrays of more dimensions (more.sql). */
export const others: readonly Setting[] = [{ name: 'more', options: {}, withNan: false, database: 'more' }];
